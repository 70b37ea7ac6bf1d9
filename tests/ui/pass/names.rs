//! Names that generated code has too.
#![deny(warnings)]

use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    pub r#type: Memory,
    pub str: Memory,
    #[streamer(name = "1st.of_all")]
    pub main: Memory,
}

#[event(stream_to = streamer!("type", "posts"), key = r#move)]
pub struct r#Struct {
    pub r#move: u64,
}

#[event(stream_to = [streamer!("str", "a"), streamer!("1st.of_all", "b")])]
pub struct Event {
    pub event: String,
    pub context: Option<Result>,
}

#[payload]
pub enum Result {
    Ok,
    Some(std::string::String),
}

#[event_handler]
async fn handle(event: Event) -> fanfare::Result<()> {
    let _ = event;
    Ok(())
}

#[event_handler]
async fn needs(event: Event, State(handle): State<u8>) -> fanfare::Result<()> {
    let _ = (event, handle);
    Ok(())
}

#[event_handler]
async fn event(_: Event) -> fanfare::Result<()> {
    Ok(())
}

#[event_handler]
async fn context(_: Event) -> fanfare::Result<()> {
    Ok(())
}

#[event_handler]
async fn result(_: Event) -> fanfare::Result<()> {
    Ok(())
}

#[event_handler(streamed_from = streamer!("type", "posts"))]
async fn r#loop(_: r#Struct) -> fanfare::Result<()> {
    Ok(())
}

fn main() {}
