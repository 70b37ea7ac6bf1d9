use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    #[streamer(topic("posts"))]
    pub main_memory: Memory,
}

fn main() {}
