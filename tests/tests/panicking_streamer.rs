//! A streamer whose own code panics: the operator is told, when it happens and at the end.

use std::sync::Arc;

use fanfare::prelude::*;
use fanfare::streamer::{
    Deliver, Deliveries, Groups, Outgoing, Publish, Source, StreamError, Streamer, Subscribe,
    SubscriptionRequest,
};
use fanfare_tests::Log;
use futures_util::stream::poll_fn;

struct Broken;

impl Streamer for Broken {}

impl Publish for Broken {
    async fn publish(&self, _topic: &str, _batch: &mut [Outgoing]) {}
}

impl Subscribe for Broken {
    async fn subscribe(&self, _request: SubscriptionRequest) -> Result<Deliveries, StreamError> {
        Ok(Box::pin(poll_fn(|_| panic!("no more\nbytes"))))
    }
}

impl Deliver for Broken {
    fn source(self: Arc<Self>) -> Source {
        Source::subscribe(self)
    }
}

impl Groups for Broken {}

#[derive(Streamers)]
struct Streamers {
    main: Broken,
}

#[event_handler(streamed_from = streamer!("main", "jobs"))]
async fn work(_: RawEvent) -> Result<()> {
    Ok(())
}

#[tokio::test]
async fn a_subscription_that_has_panicked_is_named_when_it_does_and_at_the_end() {
    let log = Log::listen();
    let streamers = Streamers { main: Broken };
    let app = App::new("shop").streamers(streamers).start();
    let running = app.await.expect("started");
    let told = ["ERROR", "handler=\"work\"", "has panicked (no more bytes)"];
    log.wait_for(1, &told).await;
    let error = running.shutdown().await.expect_err("it died");
    assert_eq!(
        error.to_string(),
        "`shop` did not shut down cleanly: the handler `work` (from main/jobs) has heard nothing since its subscription panicked: no more bytes"
    );
}
