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
async unsafe fn index_post(post: PostCreated) -> Result<()> {
    let _ = post.post_id;
    Ok(())
}

fn main() {}
