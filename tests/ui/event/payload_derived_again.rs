use fanfare::prelude::*;

#[payload]
#[derive(serde::Serialize)]
pub struct Author {
    pub name: String,
}

fn main() {}
