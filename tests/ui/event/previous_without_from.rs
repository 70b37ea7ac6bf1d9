use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    #[streamer(topics("posts", "comments"))]
    pub main_memory: Memory,
    pub second: Memory,
}

#[event(name = "PostCreated")]
pub struct PostCreatedV1 {
    pub post_id: u64,
}

#[event(version = 2, previous = PostCreatedV1)]
pub struct PostCreated {
    pub post_id: u64,
}

fn main() {}
