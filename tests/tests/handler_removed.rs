//! The service of `handler_kept` without its handler `audit`.

#[path = "removal/service.rs"]
mod service;

use service::subscribed;

#[tokio::test]
async fn what_a_removed_handler_listened_on_is_no_longer_subscribed() {
    assert_eq!(subscribed().await, ["subscribe orders shop.pack"]);
}
