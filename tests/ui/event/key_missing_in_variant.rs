use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    #[streamer(topics("posts", "comments"))]
    pub main_memory: Memory,
    pub second: Memory,
}

#[event(key = post_id)]
pub enum PostChanged {
    Retitled { post_id: u64, title: String },
    Removed { id: u64 },
}

fn main() {}
