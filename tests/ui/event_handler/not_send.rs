use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    #[streamer(topics("posts", "comments"))]
    pub main_memory: Memory,
    pub second: Memory,
}

#[event(stream_to = streamer!("main-memory", "posts"), key = post_id)]
pub struct PostCreated {
    pub post_id: u64,
}

#[event_handler(streamed_from = streamer!("main-memory", "posts"))]
async fn index_post(post: PostCreated) -> Result<()> {
    let local = std::rc::Rc::new(post.post_id);
    tokio::task::yield_now().await;
    let _ = local;
    Ok(())
}

fn main() {}
