use fanfare::prelude::*;
use fanfare::streamer::{Deliver, Deliveries, Outgoing, Publish, Source, StreamError, Streamer, Subscribe, SubscriptionRequest};

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
    pub audit: Feed,
}

#[event(stream_to = streamer!("audit", "posts"))]
pub struct PostCreated {
    pub post_id: u64,
}

fn main() {}
