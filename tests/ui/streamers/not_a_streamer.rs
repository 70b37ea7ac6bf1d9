use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    pub main_memory: Memory,
    pub kafka_address: String,
}

fn main() {}
