use fanfare::prelude::*;

#[payload(key = name)]
pub struct Author {
    pub name: String,
}

fn main() {}
