use fanfare::prelude::*;

#[event(renamed_from = ["Written", "Written"])]
pub struct PostPublished {
    pub post_id: u64,
}

fn main() {}
