use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Shared {
    pub main: Memory,
}

#[derive(Streamers)]
pub struct Own {
    pub second: Memory,
}

fn main() {}
