use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    #[streamer(topics("posts", "comments"))]
    pub main_memory: Memory,
    pub second: Memory,
}

#[event]
pub struct PostCreatedV1 {
    pub post_id: u64,
}

#[event(version = 2, previous = PostCreatedV1)]
pub struct PostCreated {
    pub post_id: u64,
}

impl From<PostCreatedV1> for PostCreated {
    fn from(old: PostCreatedV1) -> Self {
        PostCreated { post_id: old.post_id }
    }
}

fn main() {}
