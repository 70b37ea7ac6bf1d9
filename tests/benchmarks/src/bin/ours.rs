//! fanfare, as its README begins: one event, one handler, the streamer `Memory`, and defaults.

use fanfare::Running;
use fanfare::prelude::*;
use fanfare_benchmarks::{Contender, Heard, Sample, Task, contend};

#[derive(Streamers)]
struct Streamers {
    #[streamer(topics("posts"))]
    main: Memory,
}

#[event(stream_to = streamer!("main", "posts"))]
struct Post {
    id: u64,
    time: u64,
    author: String,
    title: String,
    body: String,
    likes: u64,
}

#[event_handler(streamed_from = streamer!("main", "posts"))]
async fn hear(post: Post, State(heard): State<Heard>) -> Result<()> {
    heard.count(&post, post.time);
    Ok(())
}

struct Ours {
    // Runs until it is dropped.
    _running: Running,
    publisher: Publisher,
}

impl Contender for Ours {
    async fn start(_task: &Task, heard: Heard) -> Self {
        let main = Memory::new();
        let app = App::new("benchmark").streamers(Streamers { main });
        let running = app.state(heard).start().await.expect("started");
        let publisher = running.publisher();
        Ours {
            _running: running,
            publisher,
        }
    }

    async fn publish(&self, sample: Sample) {
        let Sample {
            id,
            time,
            author,
            title,
            body,
            likes,
        } = sample;
        let post = Post {
            id,
            time,
            author,
            title,
            body,
            likes,
        };
        self.publisher.publish(post).await.expect("published");
    }
}

fn main() {
    contend::<Ours>();
}
