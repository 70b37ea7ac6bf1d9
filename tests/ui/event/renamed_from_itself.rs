use fanfare::prelude::*;

#[event(renamed_from = "PostCreated")]
pub struct PostCreated {
    pub post_id: u64,
}

fn main() {}
