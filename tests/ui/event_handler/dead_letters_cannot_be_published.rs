use fanfare::prelude::*;
use fanfare::streamer::{Deliver, Deliveries, Source, StreamError, Streamer, Subscribe, SubscriptionRequest};

pub struct Feed;

impl Streamer for Feed {}

impl Subscribe for Feed {
    async fn subscribe(&self, _: SubscriptionRequest) -> Result<Deliveries, StreamError> {
        Err(StreamError::new("not here"))
    }
}

impl Deliver for Feed {
    fn source(self: std::sync::Arc<Self>) -> Source {
        Source::subscribe(self)
    }
}

#[derive(Streamers)]
pub struct Streamers {
    pub feed: Feed,
    pub main: Memory,
}

#[event_handler(
    streamed_from = streamer!("feed", "posts"),
    group = each_instance,
    dead_letter = streamer!("feed", "failed")
)]
async fn index_post(post: RawEvent) -> Result<()> {
    let _ = post.payload();
    Ok(())
}

fn main() {}
