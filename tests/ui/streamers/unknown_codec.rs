use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    #[streamer(codec = "avor")]
    pub main: Memory,
}

fn main() {}
