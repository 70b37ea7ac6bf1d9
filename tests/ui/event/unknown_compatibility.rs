use fanfare::prelude::*;

#[event(compatibility = "backwards")]
pub struct PostCreated {
    pub post_id: u64,
}

fn main() {}
