use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    #[streamer(topics("posts", "comments"))]
    pub main_memory: Memory,
    pub second: Memory,
}

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Author {
    pub name: String,
}

#[event(stream_to = streamer!("main-memory", "posts"))]
pub enum PostChanged {
    Created { post_id: u64, authors: Vec<Author> },
    Removed(u64),
}

fn main() {}
