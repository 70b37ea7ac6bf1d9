//! A service with a handler that its twin, `handler_removed`, no longer has.

#[path = "removal/service.rs"]
mod service;

use fanfare::prelude::*;
use service::{OrderPlaced, streamer, subscribed};

#[event_handler(streamed_from = streamer!("main", "audit"))]
async fn audit(order: OrderPlaced) -> Result<()> {
    let _ = order.number;
    Ok(())
}

#[tokio::test]
async fn what_a_handler_listens_on_is_subscribed() {
    let expected = ["subscribe audit shop.audit", "subscribe orders shop.pack"];
    assert_eq!(subscribed().await, expected);
}
