use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    #[streamer(name = "")]
    pub main_memory: Memory,
}

fn main() {}
