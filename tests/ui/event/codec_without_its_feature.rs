use fanfare::prelude::*;

#[event(codec = "avro")]
pub struct PostCreated {
    pub title: String,
}

fn main() {}
