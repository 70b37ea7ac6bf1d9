use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    #[streamer(topics("posts", "comments"))]
    pub main_memory: Memory,
    pub second: Memory,
}

#[derive(serde::Serialize)]
#[event(stream_to = streamer!("main-memory", "posts"))]
pub struct PostCreated {
    pub post_id: u64,
}

fn main() {}
