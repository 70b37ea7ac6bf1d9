use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    #[streamer(topics("posts", "comments"))]
    pub main_memory: Memory,
    pub second: Memory,
}

#[event(key = tags)]
pub struct PostCreated {
    pub tags: Vec<String>,
}

fn main() {}
