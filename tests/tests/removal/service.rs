//! A service that two programs share: one has a handler more than the other.

use fanfare::prelude::*;
use fanfare_tests::Spy;

#[derive(Streamers)]
pub(crate) struct Streamers {
    pub(crate) main: Spy,
}

#[event(stream_to = [streamer!("main", "orders"), streamer!("main", "audit")])]
pub(crate) struct OrderPlaced {
    pub(crate) number: u32,
}

#[event_handler(streamed_from = streamer!("main", "orders"))]
async fn pack(order: OrderPlaced) -> Result<()> {
    let _ = order.number;
    Ok(())
}

/// What a start of the service subscribes.
pub(crate) async fn subscribed() -> Vec<String> {
    let main = Spy::default();
    let streamers = Streamers { main: main.clone() };
    let running = App::new("shop").streamers(streamers).start().await;
    running
        .expect("started")
        .shutdown()
        .await
        .expect("shut down");
    let mut seen = main.seen();
    seen.retain(|seen| seen.starts_with("subscribe"));
    seen.sort();
    seen
}
