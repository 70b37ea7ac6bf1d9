use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    #[streamer(codec = "avor")]
    pub main: Memory,
}

#[event(stream_to = streamer!("main", "posts"))]
pub struct PostCreated {
    pub title: String,
}

#[event_handler(streamed_from = streamer!("main", "posts"))]
async fn index_post(_: PostCreated) -> Result<()> {
    Ok(())
}

fn main() {
    let main = Memory::new();
    let _ = App::new("blog").streamers(Streamers { main });
}
