use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    #[streamer(topics("posts", "comments"))]
    pub main_memory: Memory,
    pub second: Memory,
}

fn main() {
    let topic = streamer!("secnd", "posts");
    println!("{topic:?}");
}
