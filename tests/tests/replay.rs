//! Dead letters of the store that go to their handler once more, from code.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fanfare::event::Envelope;
use fanfare::prelude::*;
use fanfare::store::{DeadLetter, MemoryStore, Store};
use fanfare::streamer::Origin;
use fanfare::{Error, ReplayError, Replayed, Running};
use fanfare_tests::{Heard, Tell, channel, event, publish};
use tower::timeout::TimeoutLayer;

#[derive(Streamers)]
struct Streamers {
    main: Memory,
}

/// Comes from elsewhere.
#[event(stream_to = [streamer!("main", "tasks"), streamer!("main", "late-tasks")])]
struct Task {
    number: u32,
}

#[event]
struct Done {
    number: u32,
}

/// Whether tasks fail.
#[derive(Clone, Default)]
struct Broken(Arc<AtomicBool>);

/// What a handler says: its name, the number, and the event's stream.
type Said = (&'static str, u32, String);

#[event_handler(streamed_from = streamer!("main", "tasks"), retry(attempts = 1))]
async fn work(
    task: Task,
    origin: Origin,
    publisher: Publisher,
    State(broken): State<Broken>,
    State(tell): State<Tell<Said>>,
) -> Result<()> {
    if broken.0.load(Ordering::Relaxed) {
        return Err(Error::msg("no tools"));
    }
    let number = task.number;
    tell.tell(("work", number, origin.stream().to_owned()));
    publisher.publish(Done { number }).await?;
    Ok(())
}

#[event_handler(streamed_from = streamer!("main", "tasks"), retry(attempts = 1), deduplicate)]
async fn once(task: Task, State(tell): State<Tell<Said>>) -> Result<()> {
    tell.tell(("once", task.number, String::new()));
    Ok(())
}

#[event_handler(streamed_from = streamer!("main", "tasks"), retry(attempts = 1))]
async fn wait(_task: Task, State(broken): State<Broken>) -> Result<()> {
    if broken.0.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// From two topics; says which.
#[event_handler(
    streamed_from = [streamer!("main", "tasks"), streamer!("main", "late-tasks")],
    retry(attempts = 1)
)]
async fn both(task: Task, origin: Origin, State(tell): State<Tell<Said>>) -> Result<()> {
    tell.tell(("both", task.number, origin.topic().to_owned()));
    Ok(())
}

#[event_handler]
async fn note(done: Done, State(tell): State<Tell<Said>>) -> Result<()> {
    tell.tell(("note", done.number, String::new()));
    Ok(())
}

struct Shop {
    store: MemoryStore,
    broken: Broken,
    said: Heard<Said>,
    main: Memory,
    running: Running,
}

async fn shop() -> Shop {
    let (store, broken, main) = (MemoryStore::new(), Broken::default(), Memory::new());
    let (tell, said) = channel();
    let app = App::new("shop").streamers(Streamers { main: main.clone() });
    let app = app.state(broken.clone()).state(tell).store(store.clone());
    let app = app.layer(TimeoutLayer::new(Duration::from_millis(20)));
    Shop {
        running: app.start().await.expect("started"),
        store,
        broken,
        said,
        main,
    }
}

impl Shop {
    fn breaks(&self, is_broken: bool) {
        self.broken.0.store(is_broken, Ordering::Relaxed);
    }

    /// A dead letter of this handler, as if it had been given up.
    async fn letter(&self, handler: &str, event: Envelope) -> u64 {
        self.letter_from("main/tasks/0@7", handler, event).await
    }

    async fn letter_from(&self, origin: &str, handler: &str, event: Envelope) -> u64 {
        let letter = DeadLetter {
            handler: handler.to_owned(),
            reason: "no tools".to_owned(),
            origin: origin.to_owned(),
            attempts: 1,
            time: std::time::SystemTime::now(),
            message: event.into(),
        };
        self.store.bury(&letter).await.expect("buried")
    }

    async fn is_there(&self, number: u64) -> bool {
        let letter = self.store.dead_letter(number).await.expect("read");
        letter.is_some()
    }

    async fn hears(&mut self, who: &str) -> (u32, String) {
        loop {
            let (name, number, stream) = self.said.next().await;
            if name == who {
                return (number, stream);
            }
        }
    }
}

fn task(number: u32) -> Envelope {
    event("Task", &format!(r#"{{"number":{number}}}"#))
}

#[tokio::test]
async fn it_is_handled_and_what_the_handler_announces_is_heard() {
    let mut shop = shop().await;
    let number = shop.letter("shop.work", task(5)).await;
    let replayed = shop.running.replay_dead_letter(number).await;
    assert_eq!(replayed.expect("replayed"), Replayed::Handled);
    assert_eq!(shop.hears("work").await, (5, "dead-letters".to_owned()));
    assert_eq!(shop.hears("note").await.0, 5);
    assert!(!shop.is_there(number).await);
}

#[tokio::test]
async fn it_stays_when_it_fails_again() {
    let shop = shop().await;
    shop.breaks(true);
    let number = shop.letter("shop.work", task(5)).await;
    let replayed = shop.running.replay_dead_letter(number).await;
    let error = replayed.expect_err("it fails");
    assert_eq!(error.to_string(), "it failed again: no tools");
    assert!(shop.is_there(number).await);
}

#[tokio::test]
async fn it_goes_through_the_layers() {
    let shop = shop().await;
    shop.breaks(true);
    let number = shop.letter("shop.wait", task(5)).await;
    let replayed = shop.running.replay_dead_letter(number).await;
    let error = replayed.expect_err("a layer gives up");
    assert_eq!(error.to_string(), "it failed again: request timed out");
}

#[tokio::test]
async fn what_was_handled_before_is_not_handled_again() {
    let mut shop = shop().await;
    publish(&shop.main, "tasks", task(1)).await;
    assert_eq!(shop.hears("once").await.0, 1);
    let handled = task(2);
    let number = shop.letter("shop.once", handled.clone()).await;
    publish(&shop.main, "tasks", handled).await;
    assert_eq!(shop.hears("once").await.0, 2);
    let replayed = shop.running.replay_dead_letter(number).await;
    assert_eq!(replayed.expect("replayed"), Replayed::Repeated);
    assert!(!shop.is_there(number).await);
}

#[tokio::test]
async fn it_does_not_expire() {
    let mut shop = shop().await;
    let expired = task(5).with_extension("expirytime", "2020-01-01T00:00:00Z");
    let number = shop.letter("shop.work", expired.expect("valid")).await;
    let replayed = shop.running.replay_dead_letter(number).await;
    assert_eq!(replayed.expect("replayed"), Replayed::Handled);
    assert_eq!(shop.hears("work").await.0, 5);
}

#[tokio::test]
async fn its_origin_names_the_topic_that_it_came_from() {
    let mut shop = shop().await;
    for topic in ["late-tasks", "tasks"] {
        let origin = format!("main/{topic}/0@7");
        let number = shop.letter_from(&origin, "shop.both", task(5)).await;
        let replayed = shop.running.replay_dead_letter(number).await;
        assert_eq!(replayed.expect("replayed"), Replayed::Handled);
        assert_eq!(shop.hears("both").await, (5, topic.to_owned()));
    }
}

#[tokio::test]
async fn it_is_not_replayed_twice_at_once() {
    let shop = shop().await;
    shop.breaks(true);
    let number = shop.letter("shop.wait", task(5)).await;
    let again = || shop.running.replay_dead_letter(number);
    let (one, other) = tokio::join!(again(), again());
    assert!(matches!(one, Err(ReplayError::Failed(_))));
    assert!(matches!(other, Err(ReplayError::Busy(busy)) if busy == number));
    shop.breaks(false);
    assert_eq!(again().await.expect("replayed"), Replayed::Handled);
}

#[tokio::test]
async fn one_that_nobody_takes_stays() {
    let shop = shop().await;
    let number = shop.letter("shop.gone", task(5)).await;
    let replayed = shop.running.replay_dead_letter(number).await;
    assert!(matches!(replayed, Err(ReplayError::NobodyTakesIt(handler)) if handler == "shop.gone"));
    assert!(shop.is_there(number).await);
}

#[tokio::test]
async fn one_that_is_not_there_is_said_so() {
    let shop = shop().await;
    let replayed = shop.running.replay_dead_letter(77).await;
    assert!(matches!(replayed, Err(ReplayError::NotFound(77))));
}
