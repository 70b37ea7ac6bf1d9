use fanfare::prelude::*;
use fanfare::streamer::{Deliver, Deliveries, Outgoing, Publish, Source, StreamError, Streamer, Subscribe, SubscriptionRequest};

pub struct AuditLog;

impl Streamer for AuditLog {}

impl Publish for AuditLog {
    async fn publish(&self, _: &str, _: &mut [Outgoing]) {}
}

#[derive(Streamers)]
pub struct Streamers {
    pub audit: AuditLog,
}

#[event(stream_to = streamer!("audit", "posts"))]
pub struct PostCreated {
    pub post_id: u64,
}

#[event_handler(streamed_from = streamer!("audit", "posts"), group = each_instance)]
async fn index_post(post: PostCreated) -> Result<()> {
    let _ = post.post_id;
    Ok(())
}

fn main() {}
