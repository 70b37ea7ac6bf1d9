use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    pub main: Memory,
}

#[event(stream_to = streamer!("main", "posts"))]
pub struct PostCreated {
    pub post_id: u64,
}

#[event_handler(streamed_from = streamer!("main", "posts"), from = beginning)]
async fn index_post(post: PostCreated) -> Result<()> {
    drop(post);
    Ok(())
}

fn main() {}
