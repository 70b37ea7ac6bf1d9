use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    #[streamer(topics("posts", "comments"))]
    pub main_memory: Memory,
    pub second: Memory,
}

pub struct Author {
    pub name: String,
}

#[event(stream_to = streamer!("main-memory", "posts"), key = post_id)]
pub struct PostCreated {
    pub post_id: u64,
    pub author: Author,
    pub title: String,
}

fn main() {}
