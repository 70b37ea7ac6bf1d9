use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers<S> {
    pub main: S,
}

fn main() {}
