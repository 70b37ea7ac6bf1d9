use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    #[streamer(topics())]
    pub main_memory: Memory,
}

fn main() {}
