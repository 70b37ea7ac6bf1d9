use fanfare::prelude::*;

#[event(codec = "msgpack")]
pub struct PostCreated {
    pub post_id: u64,
}

fn main() {}
