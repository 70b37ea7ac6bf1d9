use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    pub main_memory: Memory,
    #[streamer(name = "main-memory")]
    pub second: Memory,
}

fn main() {}
