use fanfare::prelude::*;

#[event(name = "PostCreated")]
pub struct PostCreated {
    pub post_id: u64,
}

#[event(
    name = "PostPublished",
    version = 2,
    previous = PostCreated,
    renamed_from = "PostCreated"
)]
pub struct PostPublishedV2 {
    pub post_id: u64,
}

impl From<PostCreated> for PostPublishedV2 {
    fn from(old: PostCreated) -> Self {
        PostPublishedV2 { post_id: old.post_id }
    }
}

#[event(version = 3, previous = PostPublishedV2)]
pub struct PostPublished {
    pub post_id: u64,
}

impl From<PostPublishedV2> for PostPublished {
    fn from(old: PostPublishedV2) -> Self {
        PostPublished { post_id: old.post_id }
    }
}

fn main() {}
