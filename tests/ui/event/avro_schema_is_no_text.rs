use fanfare::prelude::*;

#[event(avro_schema = 5)]
pub struct PostCreated {
    pub title: String,
}

fn main() {}
