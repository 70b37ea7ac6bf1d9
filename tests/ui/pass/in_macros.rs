//! The attributes inside a macro of the user's.
#![deny(warnings)]

use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    #[streamer(topics("posts", "comments"))]
    pub main: Memory,
}

macro_rules! events {
    ($($event:ident by $key:ident: $kind:ty => $topic:literal, $handler:ident;)*) => {
        $(
            #[event(stream_to = streamer!("main", $topic), key = $key)]
            pub struct $event {
                pub $key: $kind,
            }

            #[event_handler(streamed_from = streamer!("main", $topic), concurrency = 2)]
            async fn $handler(happened: $event, State(_state): State<$kind>) -> Result<()> {
                let _ = happened.$key;
                Ok(())
            }
        )*
    };
}

events! {
    PostCreated by post_id: u64 => "posts", index_post;
    CommentWritten by author: String => "comments", notify;
}

macro_rules! streamers {
    ($name:ident { $($field:ident: $kind:ty),* }) => {
        pub mod more {
            use fanfare::prelude::*;

            #[derive(Streamers)]
            pub struct $name {
                $(pub $field: $kind),*
            }
        }
    };
}

streamers!(More { second: Memory });

fn main() {}
