//! fanfare in its ways: `--way` says which topic is published to, and which store the app has.

use std::path::Path;
use std::time::Duration;

use fanfare::Running;
use fanfare::prelude::*;
use fanfare::store::{MemoryStore, SqliteStore};
use fanfare_benchmarks::{Contender, Heard, Sample, Task, contend};
use tempfile::TempDir;
use tokio::task::yield_now;
use tokio::time::sleep;

#[derive(Streamers)]
struct Streamers {
    main: Memory,
}

/// An event of a way: heard by one handler, which has these attributes and does this first.
macro_rules! way {
    ($event:ident, $hear:ident, $topic:literal, [$($attributes:tt)*], $first:expr) => {
        #[event(stream_to = streamer!("main", $topic), key = author)]
        struct $event {
            id: u64,
            time: u64,
            author: String,
            title: String,
            body: String,
            likes: u64,
        }

        impl From<Sample> for $event {
            fn from(sample: Sample) -> Self {
                let Sample { id, time, author, title, body, likes } = sample;
                $event { id, time, author, title, body, likes }
            }
        }

        #[event_handler(streamed_from = streamer!("main", $topic) $($attributes)*)]
        async fn $hear(post: $event, State(heard): State<Heard>) -> Result<()> {
            $first.await;
            heard.count(&post, post.time);
            Ok(())
        }
    };
}

way!(Plain, hear_plain, "plain", [], async {});
way!(Once, hear_once, "once", [, deduplicate], async {});
way!(One, hear_one, "one", [, concurrency = 1], yield_now());
way!(Sixteen, hear_sixteen, "sixteen", [, concurrency = 16], yield_now());
way!(Many, hear_many, "many", [, concurrency = 256], yield_now());
way!(Shared, hear_shared, "shared", [], async {});

/// A slow one beside `hear_shared`.
#[event_handler(streamed_from = streamer!("main", "shared"))]
async fn hear_slowly(_post: Shared) -> Result<()> {
    sleep(Duration::from_millis(2)).await;
    Ok(())
}

struct Ways {
    // Runs until it is dropped, and its store is there as long.
    _running: Running,
    _folder: TempDir,
    publisher: Publisher,
    way: String,
}

async fn app(way: &str, folder: &Path) -> App {
    let app = App::new("ways").streamers(Streamers {
        main: Memory::new(),
    });
    match way {
        "memory-store" => app.store(MemoryStore::new()),
        "sqlite-store" => {
            let store = SqliteStore::open(folder.join("store.db")).await;
            app.store(store.expect("a store"))
        }
        _ => app,
    }
}

impl Contender for Ways {
    async fn start(task: &Task, heard: Heard) -> Self {
        let folder = TempDir::new().expect("a folder");
        let app = app(&task.way, folder.path()).await.state(heard);
        let running = app.start().await.expect("started");
        let publisher = running.publisher();
        let way = task.way.clone();
        Ways {
            _running: running,
            _folder: folder,
            publisher,
            way,
        }
    }

    async fn publish(&self, sample: Sample) {
        let published = match self.way.as_str() {
            "once" => self.publisher.publish(Once::from(sample)).await,
            "one" => self.publisher.publish(One::from(sample)).await,
            "sixteen" => self.publisher.publish(Sixteen::from(sample)).await,
            "many" => self.publisher.publish(Many::from(sample)).await,
            "shared" => self.publisher.publish(Shared::from(sample)).await,
            _ => self.publisher.publish(Plain::from(sample)).await,
        };
        published.expect("published");
    }
}

fn main() {
    contend::<Ways>();
}
