use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    #[streamer(topics("posts", "comments"))]
    pub main_memory: Memory,
    pub second: Memory,
}

#[event(streamed_to = streamer!("main-memory", "posts"))]
#[derive(Clone, Debug)]
pub struct PostCreated {
    pub post_id: u64,
}

#[event_handler(streamed_from = streamer!("main-memory", "posts"))]
async fn index_post(post: PostCreated) -> Result<()> {
    let _ = post.post_id;
    Ok(())
}

fn main() {}
