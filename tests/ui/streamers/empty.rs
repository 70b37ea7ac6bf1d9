use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {}

fn main() {}
