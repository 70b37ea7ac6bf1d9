use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    #[streamer(topics("posts", "comments", "posts"))]
    pub main_memory: Memory,
}

fn main() {}
