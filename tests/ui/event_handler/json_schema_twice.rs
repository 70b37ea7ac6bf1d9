use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    #[streamer(topics("posts", "comments"))]
    pub main_memory: Memory,
}

#[event(stream_to = streamer!("main-memory", "posts"))]
pub struct PostCreated {
    pub post_id: u64,
}



#[event_handler(streamed_from = streamer!("main-memory", "posts"), json_schema, json_schema = "{}")]
async fn index(_post: PostCreated) -> fanfare::Result<()> {
    Ok(())
}

fn main() {}
