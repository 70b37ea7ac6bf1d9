//! What a handler of batches may take and return.

use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    pub main: Memory,
}

#[event(stream_to = streamer!("main", "posts"), expires_after = "1day")]
pub struct PostCreated {
    pub post_id: u64,
}

#[event_handler(
    streamed_from = streamer!("main", "posts"),
    batch(max = 1000, within = "5min"),
    concurrency = 2,
    in_flight = 2000,
    deduplicate,
)]
async fn one_for_all(
    posts: std::vec::Vec<PostCreated>,
    metadata: Vec<Metadata>,
    origins: Vec<Origin>,
    State(name): State<String>,
) -> Result<(), std::io::Error> {
    drop((posts, metadata, origins, name));
    Ok(())
}

#[event_handler(batch(max = 2, within = "1s"), timeout = "1s", deduplicate, retry = requeue)]
async fn one_for_each(posts: Vec<PostCreated>, _: Vec<Publisher>) -> Vec<Result<()>> {
    posts.into_iter().map(|_| Ok(())).collect()
}

#[event_handler(streamed_from = streamer!("main", "posts"), batch(max = 2, within = "1s"))]
async fn with_question_mark(events: Vec<RawEvent>) -> Result<Vec<Result<(), std::fmt::Error>>> {
    Ok(events.into_iter().map(|_| Ok(())).collect())
}

fn main() {}
