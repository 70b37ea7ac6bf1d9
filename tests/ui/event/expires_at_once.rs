use fanfare::prelude::*;

#[event(expires_after = "0s")]
pub struct PostCreated {
    pub post_id: u64,
}

fn main() {}
