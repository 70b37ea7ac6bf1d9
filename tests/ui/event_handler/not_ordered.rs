use fanfare::prelude::*;
use fanfare::streamer::{Deliver, Deliveries, Outgoing, Publish, Source, StreamError, Streamer, Subscribe, SubscriptionRequest};

pub struct Broadcast;

impl Streamer for Broadcast {}

impl Publish for Broadcast {
    async fn publish(&self, _: &str, _: &mut [Outgoing]) {}
}

impl Subscribe for Broadcast {
    async fn subscribe(&self, _: SubscriptionRequest) -> Result<Deliveries, StreamError> {
        Err(StreamError::new("not here"))
    }
}

impl Deliver for Broadcast {
    fn source(self: std::sync::Arc<Self>) -> Source {
        Source::subscribe(self)
    }
}

#[derive(Streamers)]
pub struct Streamers {
    pub audit: Broadcast,
}

#[event(stream_to = streamer!("audit", "posts"))]
pub struct PostCreated {
    pub post_id: u64,
}

#[event_handler(streamed_from = streamer!("audit", "posts"), group = each_instance, guarantee(ordered))]
async fn index_post(post: PostCreated) -> Result<()> {
    let _ = post.post_id;
    Ok(())
}

fn main() {}
