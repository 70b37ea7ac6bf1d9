//! `RustStream` on its own in-memory broker, as its quick start and `examples/app_running.rs` and
//! `examples/app_state.rs` say: `#[subscriber]` with the event by reference, the app's state by
//! `State`, started beside the caller, and the broker's publisher with its publish builder. Its
//! queue has no bound.

use std::convert::Infallible;
use std::sync::Mutex;

use fanfare_benchmarks::{Contender, Heard, Sample, Task, contend};
use ruststream::memory::MemoryPublisher;
use ruststream::memory::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Outgoing)]
#[outgoing(name = "posts")]
struct Post {
    id: u64,
    time: u64,
    author: String,
    title: String,
    body: String,
    likes: u64,
}

#[derive(FromRef)]
struct AppState {
    heard: Heard,
}

#[subscriber("posts")]
async fn hear(post: &Post, State(heard): State<Heard>) -> HandlerOutcome {
    heard.count(post, post.time);
    HandlerOutcome::ack()
}

struct Stream {
    // Runs until it is dropped; a mutex, for it is not `Sync`.
    _running: Mutex<RunningApp>,
    publisher: MemoryPublisher,
}

impl Contender for Stream {
    async fn start(_task: &Task, heard: Heard) -> Self {
        let broker = MemoryBroker::new();
        let publisher = broker.publisher();
        let app = RustStream::new(AppInfo::new("benchmark", "0.1.0"))
            .on_startup(async move |()| Ok::<_, Infallible>(AppState { heard }))
            .with_broker(broker, |b| {
                b.include(hear);
            });
        let running = app.start().await.expect("started");
        Stream {
            _running: Mutex::new(running),
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
        self.publisher
            .message(&post)
            .publish()
            .await
            .expect("published");
    }
}

fn main() {
    contend::<Stream>();
}
