use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    #[streamer(codec = "avro")]
    pub main: Memory,
}

fn main() {}
