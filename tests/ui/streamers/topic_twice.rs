use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    #[streamer(topics("posts", "comments", "posts"))]
    pub main_memory: Memory,
}

#[event(stream_to = streamer!("main-memory", "posts"))]
pub struct PostCreated {
    pub title: String,
}

fn main() {}
