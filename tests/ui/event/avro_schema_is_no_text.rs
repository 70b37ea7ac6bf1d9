use fanfare::prelude::*;

#[event(codec = "avro", avro_schema = 5)]
pub struct PostCreated {
    pub title: String,
}

fn main() {}
