//! Events that are stored, then streamed.

mod handlers;

use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use fanfare::prelude::*;
use fanfare::store::{MemoryStore, SqliteStore, Start, Store, Which};
use fanfare::{Error, Running};
use fanfare_tests::{Heard, Spy, Tell, channel, event, extension, listen, publish};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::time::timeout;

#[derive(Streamers)]
struct Streamers {
    main: Spy,
    other: Spy,
}

/// Streamed to two, and heard by the service itself.
#[event(
    stream_to = [
        streamer!("main", "posts"),
        streamer!("other", "posts"),
    ],
    key = author
)]
struct Posted {
    author: String,
    number: u32,
}

/// Comes from elsewhere.
#[event(stream_to = streamer!("main", "commands"))]
struct Command {
    number: u32,
}

/// Heard by the service alone.
#[event]
struct Noted {
    number: u32,
}

/// What a handler says: its name, and the number.
type Said = (&'static str, u32);

#[event_handler(from = beginning)]
async fn archive(post: Posted, State(tell): State<Tell<Said>>) -> Result<()> {
    tell.tell(("archive", post.number));
    Ok(())
}

/// Fails at 13 for good, announces the others.
#[event_handler(streamed_from = streamer!("main", "commands"), retry(attempts = 2, backoff = "1ms..1ms"), deduplicate)]
async fn write(
    command: Command,
    metadata: Metadata,
    publisher: Publisher,
    State(tell): State<Tell<Said>>,
) -> Result<()> {
    tell.tell(("write", command.number));
    let noted = Noted {
        number: command.number,
    };
    publisher.publish(noted).await?;
    match (command.number, metadata.attempt()) {
        (13, _) | (14, 1) => Err(Error::msg("unlucky")),
        _ => Ok(()),
    }
}

#[event_handler]
async fn note(noted: Noted, State(tell): State<Tell<Said>>) -> Result<()> {
    tell.tell(("note", noted.number));
    Ok(())
}

struct Started {
    main: Spy,
    other: Spy,
    said: Heard<Said>,
    running: Running,
}

async fn start(store: impl Store, main: Spy, other: Spy) -> Started {
    let (tell, said) = channel::<Said>();
    let streamers = Streamers {
        main: main.another(),
        other: other.another(),
    };
    let app = App::new("blog").streamers(streamers).state(tell);
    Started {
        running: app.store(store).start().await.expect("started"),
        main,
        other,
        said,
    }
}

async fn afresh(store: impl Store) -> Started {
    start(store, Spy::default(), Spy::default()).await
}

async fn file(folder: &Path) -> SqliteStore {
    let opened = SqliteStore::open(folder.join("blog.db")).await;
    opened.expect("opened")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

impl Started {
    async fn post(&self, number: u32) {
        let author = "ann".to_owned();
        let publisher = self.running.publisher();
        let posted = publisher.publish(Posted { author, number }).await;
        posted.expect("stored");
    }

    async fn command(&self, number: u32) {
        let payload = format!(r#"{{"number":{number}}}"#);
        // Of one key, so that they come one after another.
        let command = event("Command", &payload).with_key("ann");
        publish(self.main.memory(), "commands", command.expect("a key")).await;
    }

    /// What is said next by this handler.
    async fn hears(&mut self, who: &str) -> u32 {
        loop {
            let (name, number) = self.said.next().await;
            if name == who {
                return number;
            }
        }
    }

    async fn restart(self, store: impl Store) -> Started {
        self.running.shutdown().await.expect("shut down");
        start(store, self.main, self.other).await
    }
}

fn number(payload: &[u8]) -> u64 {
    let json: serde_json::Value = serde_json::from_slice(payload).expect("JSON");
    json["number"].as_u64().expect("a number")
}

#[tokio::test]
async fn what_is_stored_is_streamed_to_every_target_and_to_the_services_own_handlers() {
    let folder = folder();
    let mut started = afresh(file(folder.path()).await).await;
    let mut main = listen(started.main.memory(), "posts").await;
    let mut other = listen(started.other.memory(), "posts").await;
    for number in 1..=3 {
        started.post(number).await;
    }
    for expected in 1..=3 {
        assert_eq!(number(main.next().await.payload()), expected);
        assert_eq!(number(other.next().await.payload()), expected);
        assert_eq!(u64::from(started.hears("archive").await), expected);
    }
    started.running.shutdown().await.expect("shut down");
}

#[tokio::test]
async fn a_target_that_is_down_stops_no_other_and_catches_up_in_order() {
    let (main, other) = (Spy::default(), Spy::default());
    let (tell, _said) = channel::<Said>();
    let down = main.clone();
    let streamers = Streamers {
        main: down.clone(),
        other: other.clone(),
    };
    let app = App::new("blog").streamers(streamers).state(tell);
    let running = app
        .store(MemoryStore::new())
        .start()
        .await
        .expect("started");
    let mut late = listen(main.memory(), "posts").await;
    let mut prompt = listen(other.memory(), "posts").await;
    down.fail_publishes(3);
    for number in 1..=5 {
        let author = "ann".to_owned();
        let publisher = running.publisher();
        let posted = publisher.publish(Posted { author, number }).await;
        posted.expect("stored, though one target is down");
    }
    for expected in 1..=5 {
        assert_eq!(number(prompt.next().await.payload()), expected);
    }
    for expected in 1..=5 {
        assert_eq!(number(late.next().await.payload()), expected);
    }
}

#[tokio::test]
async fn what_was_stored_and_not_streamed_goes_out_after_a_restart() {
    let folder = folder();
    let down = Spy::default();
    let (tell, _said) = channel::<Said>();
    let streamers = Streamers {
        main: down.clone(),
        other: Spy::default(),
    };
    let app = App::new("blog").streamers(streamers).state(tell);
    let app = app.store(file(folder.path()).await);
    let running = app.start().await.expect("started");
    down.fail_publishes(usize::MAX);
    let author = "ann".to_owned();
    let publisher = running.publisher();
    let posted = publisher.publish(Posted { author, number: 1 }).await;
    posted.expect("stored");
    down.sees("publish posts", 1).await;
    // As a crash would: nothing is finished.
    drop(running);
    let main = Spy::default();
    let mut posts = listen(main.memory(), "posts").await;
    let _second = start(file(folder.path()).await, main, Spy::default()).await;
    assert_eq!(number(posts.next().await.payload()), 1);
}

#[tokio::test]
async fn of_two_instances_one_streams_an_event() {
    let store = MemoryStore::new();
    let main = Spy::default();
    let mut posts = listen(main.memory(), "posts").await;
    let one = start(store.clone(), main.another(), Spy::default()).await;
    let other = start(store, main.another(), Spy::default()).await;
    for number in 1..=50 {
        let publisher = if number % 2 == 0 { &one } else { &other };
        publisher.post(number).await;
    }
    for expected in 1..=50 {
        assert_eq!(number(posts.next().await.payload()), expected);
    }
    one.running.shutdown().await.expect("shut down");
    other.post(51).await;
    assert_eq!(number(posts.next().await.payload()), 51);
    other.running.shutdown().await.expect("shut down");
    assert!(posts.rest().is_empty());
}

#[tokio::test]
async fn in_a_transaction_an_event_is_streamed_if_and_only_if_it_commits() {
    let folder = folder();
    let store = file(folder.path()).await;
    let mut started = afresh(store.clone()).await;
    let mut posts = listen(started.main.memory(), "posts").await;
    let publisher = started.running.publisher_with::<SqliteStore>();
    let publisher = publisher.expect("it is that store");
    for number in 1..=4 {
        let mut transaction = store.begin().await.expect("begun");
        let author = "ann".to_owned();
        let mut within = publisher.within(&mut transaction);
        within
            .publish(Posted { author, number })
            .await
            .expect("written");
        if number % 2 == 0 {
            transaction.commit().await.expect("committed");
        } else {
            transaction.rollback().await.expect("rolled back");
        }
    }
    for expected in [2, 4] {
        assert_eq!(number(posts.next().await.payload()), expected);
        assert_eq!(u64::from(started.hears("archive").await), expected);
    }
    started.running.shutdown().await.expect("shut down");
    assert!(posts.rest().is_empty());
}

#[tokio::test]
async fn a_publisher_for_another_store_is_refused_when_it_is_asked_for() {
    let started = afresh(MemoryStore::new()).await;
    let refused = started.running.publisher_with::<SqliteStore>();
    let refused = refused.expect_err("another store").to_string();
    assert!(
        refused.ends_with("and not `fanfare::store::sqlite::SqliteStore`"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_handler_that_starts_from_the_beginning_wants_a_store() {
    let faults = App::new("blog").check().expect_err("faults").to_string();
    assert!(
        faults
            .contains("the handler `archive` starts from the beginning, and the app has no store"),
        "{faults}"
    );
}

/// Heard by the service alone, which answers when it is let go.
#[event]
struct Asked {
    number: u32,
}

static LET_GO: Notify = Notify::const_new();

#[event_handler]
async fn answer(asked: Asked, publisher: Publisher, State(tell): State<Tell<Said>>) -> Result<()> {
    tell.tell(("answer", asked.number));
    LET_GO.notified().await;
    let author = "ann".to_owned();
    let number = asked.number;
    publisher.publish(Posted { author, number }).await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_in_flight_announces_during_the_shutdown_is_streamed_before_its_end() {
    let mut started = afresh(MemoryStore::new()).await;
    let mut posts = listen(started.main.another().memory(), "posts").await;
    let publisher = started.running.publisher();
    let asked = publisher.publish(Asked { number: 1 }).await;
    asked.expect("stored");
    assert_eq!(started.hears("answer").await, 1);
    let mut ending = pin!(started.running.shutdown());
    let waited = timeout(Duration::from_secs(5), &mut ending).await;
    waited.expect_err("it waits for the handler");
    LET_GO.notify_one();
    ending.await.expect("shut down");
    let posts = posts.rest();
    let numbers: Vec<_> = posts.iter().map(|post| number(post.payload())).collect();
    assert_eq!(numbers, [1]);
}
