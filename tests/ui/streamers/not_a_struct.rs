use fanfare::prelude::*;

#[derive(Streamers)]
pub enum Streamers {
    Memory(Memory),
}

fn main() {}
