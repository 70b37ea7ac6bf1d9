use fanfare::prelude::*;

#[event(codec = "json", avro_schema = include_str!("../../tests/avro/measured.avsc"))]
pub struct PostCreated {
    pub title: String,
}

fn main() {}
