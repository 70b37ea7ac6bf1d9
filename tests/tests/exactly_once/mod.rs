//! What a handler writes in a transaction of its own, with the mark that it has handled its event.

use std::sync::Arc;

use fanfare::event::Envelope;
use fanfare::prelude::*;
use fanfare::store::sqlx::{query, query_scalar};
use fanfare::store::{Query, Store, Which};
use fanfare::{Error, MarkError, Running};
use fanfare_tests::{Spy, event, extension, foreign, publish};
use tokio::sync::Barrier;

use crate::{Place, TheStore};

#[derive(Streamers)]
struct Streamers {
    main: Spy,
}

#[event(stream_to = [streamer!("main", "deposits"), streamer!("main", "careless")])]
struct Deposited {
    number: i64,
    how: How,
}

/// What the handler does.
#[payload]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum How {
    Commit,
    /// Commits when another instance is as far.
    Meet,
    /// Says that it has succeeded, but does not commit; the first time, or always.
    RollBackOnce,
    RollBack,
    /// Fails with the first transaction, and does it all in another.
    TryAnother,
    FailAfterwards,
    PublishAfterwards,
}

#[event(stream_to = streamer!("main", "booked"))]
struct Booked {
    number: i64,
}

#[event_handler(
    streamed_from = streamer!("main", "deposits"),
    retry(attempts = 2, backoff = "1ms..1ms"),
    concurrency = 8,
    deduplicate
)]
async fn book(
    deposited: Deposited,
    metadata: Metadata,
    publisher: Publisher<TheStore>,
    State(store): State<TheStore>,
    State(meeting): State<Arc<Barrier>>,
) -> Result<()> {
    let Deposited { number, how } = deposited;
    publisher.publish(Booked { number }).await?;
    if how == How::Meet {
        meeting.wait().await;
    }
    if how == How::TryAnother {
        let mut transaction = store.begin().await?;
        publisher.within(&mut transaction).mark_handled().await?;
        transaction.rollback().await?;
    }
    let mut transaction = store.begin().await?;
    publisher.within(&mut transaction).mark_handled().await?;
    query("INSERT INTO bookings VALUES ($1)")
        .bind(number)
        .execute(&mut *transaction)
        .await?;
    match (how, metadata.attempt()) {
        (How::RollBack, _) | (How::RollBackOnce, 1) => return Ok(()),
        (How::PublishAfterwards, _) => drop(publisher.publish(Booked { number }).await?),
        _ => {}
    }
    transaction.commit().await?;
    match how {
        How::FailAfterwards => Err(Error::msg("too late")),
        _ => Ok(()),
    }
}

/// Does not deduplicate.
#[event_handler(streamed_from = streamer!("main", "careless"), retry(attempts = 1))]
async fn careless(
    _deposited: Deposited,
    publisher: Publisher<TheStore>,
    State(store): State<TheStore>,
) -> Result<()> {
    let mut transaction = store.begin().await?;
    publisher.within(&mut transaction).mark_handled().await?;
    Ok(())
}

/// A database with a table for what is booked.
pub(crate) async fn place() -> Place {
    let place = Place::new().await;
    let store = place.open().await;
    let create = query("CREATE TABLE bookings (number bigint)");
    create.execute(store.pool()).await.expect("created");
    store.close().await.expect("closed");
    place
}

/// An instance of the service.
pub(crate) struct Instance {
    pub(crate) spy: Spy,
    pub(crate) store: TheStore,
    pub(crate) running: Running,
}

/// What came of the deliveries to an instance.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Came {
    pub(crate) handled: u64,
    pub(crate) repeated: u64,
    pub(crate) failed: u64,
    pub(crate) given_up: u64,
}

impl Instance {
    pub(crate) async fn start(place: &Place, meeting: &Arc<Barrier>) -> Instance {
        let store = place.open().await;
        let spy = Spy::default();
        let app = App::new("bank").streamers(Streamers { main: spy.clone() });
        let app = app.state(store.clone()).state(Arc::clone(meeting));
        let running = app.store(store.clone()).start().await.expect("started");
        Instance {
            spy,
            store,
            running,
        }
    }

    async fn alone(place: &Place) -> Instance {
        Instance::start(place, &Arc::new(Barrier::new(1))).await
    }

    /// Delivers an event, so often; until all is settled.
    async fn deliver(&self, event: &Envelope, times: usize) {
        for _ in 0..times {
            publish(self.spy.memory(), "deposits", event.clone()).await;
        }
        self.spy.acknowledged(times).await;
    }

    pub(crate) fn came(&self) -> Came {
        let counts = self.running.counts();
        let counts = counts.iter().filter(|counts| counts.handler == "book");
        counts.fold(Came::default(), |came, counts| Came {
            handled: came.handled + counts.handled,
            repeated: came.repeated + counts.repeated,
            failed: came.failed + counts.failed_attempts,
            given_up: came.given_up + counts.dead_lettered,
        })
    }

    /// The numbers of all rows.
    pub(crate) async fn rows(&self) -> Vec<i64> {
        let rows = query_scalar("SELECT number FROM bookings ORDER BY number");
        rows.fetch_all(self.store.pool()).await.expect("read")
    }

    /// What was announced, and stored.
    pub(crate) async fn announced(&self) -> Vec<Envelope> {
        let booked = Query {
            after: 0,
            of: Which::Named(vec!["Booked".to_owned()]),
            max: 1000,
        };
        let page = self.store.read(&booked).await.expect("read");
        page.events.into_iter().map(|(_, event)| event).collect()
    }

    async fn reason(&self) -> String {
        let letters = self.store.dead_letters(0, 10).await.expect("listed");
        let [(_, letter)] = &letters[..] else {
            panic!("{} dead letters", letters.len())
        };
        letter.reason.clone()
    }
}

pub(crate) fn deposited(number: i64, how: How) -> Envelope {
    let payload = serde_json::json!({ "number": number, "how": how });
    event("Deposited", &payload.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_deliveries_at_once_one_has_an_effect() {
    let place = place().await;
    let instance = Instance::alone(&place).await;
    instance.deliver(&deposited(1, How::Commit), 3).await;
    assert_eq!(instance.rows().await, [1]);
    assert_eq!(instance.announced().await.len(), 1);
    let came = Came {
        handled: 1,
        repeated: 2,
        ..Came::default()
    };
    assert_eq!(instance.came(), came);
}

#[tokio::test]
async fn what_was_not_committed_is_tried_again() {
    let place = place().await;
    let instance = Instance::alone(&place).await;
    instance.deliver(&deposited(1, How::RollBackOnce), 1).await;
    assert_eq!(instance.rows().await, [1]);
    let came = Came {
        handled: 1,
        failed: 1,
        ..Came::default()
    };
    assert_eq!(instance.came(), came);
}

#[tokio::test]
async fn what_is_never_committed_is_given_up_with_the_reason() {
    let place = place().await;
    let instance = Instance::alone(&place).await;
    instance.deliver(&deposited(1, How::RollBack), 1).await;
    assert!(instance.rows().await.is_empty() && instance.announced().await.is_empty());
    let reason = instance.reason().await;
    assert!(
        reason.contains("did not commit the transaction"),
        "{reason}"
    );
}

#[tokio::test]
async fn what_the_handler_has_published_is_stored_with_the_mark() {
    let place = place().await;
    let instance = Instance::alone(&place).await;
    let event = deposited(1, How::RollBackOnce);
    instance.deliver(&event, 1).await;
    let announced = instance.announced().await;
    assert_eq!(announced.len(), 1);
    let cause = extension(&announced[0], "causationid");
    assert_eq!(cause, event.id().to_string());
}

#[tokio::test]
async fn another_transaction_of_the_same_attempt_can_be_marked() {
    let place = place().await;
    let instance = Instance::alone(&place).await;
    instance.deliver(&deposited(1, How::TryAnother), 1).await;
    assert_eq!(instance.rows().await, [1]);
    assert_eq!(instance.announced().await.len(), 1);
    let came = Came {
        handled: 1,
        ..Came::default()
    };
    assert_eq!(instance.came(), came);
}

#[tokio::test]
async fn what_is_committed_is_over_though_the_handler_fails_then() {
    let place = place().await;
    let instance = Instance::alone(&place).await;
    instance
        .deliver(&deposited(1, How::FailAfterwards), 2)
        .await;
    assert_eq!(instance.rows().await, [1]);
    let came = Came {
        repeated: 2,
        ..Came::default()
    };
    assert_eq!(instance.came(), came);
}

#[tokio::test]
async fn publishing_after_the_mark_is_an_error_that_says_so() {
    let place = place().await;
    let instance = Instance::alone(&place).await;
    instance
        .deliver(&deposited(1, How::PublishAfterwards), 1)
        .await;
    assert!(instance.rows().await.is_empty());
    let reason = instance.reason().await;
    let said = "`Booked` was published after `mark_handled`";
    assert!(reason.contains(said), "{reason}");
}

#[tokio::test]
async fn a_handler_that_does_not_deduplicate_is_told_so() {
    let place = place().await;
    let instance = Instance::alone(&place).await;
    let event = deposited(1, How::Commit);
    publish(instance.spy.memory(), "careless", event).await;
    instance.spy.acknowledged(1).await;
    let reason = instance.reason().await;
    assert!(
        reason.contains("write `#[event_handler(..., deduplicate)]`"),
        "{reason}"
    );
}

#[tokio::test]
async fn what_has_no_id_cannot_be_marked() {
    let place = place().await;
    let instance = Instance::alone(&place).await;
    let message = foreign(r#"{"number":1,"how":"Commit"}"#);
    publish(instance.spy.memory(), "deposits", message).await;
    instance.spy.acknowledged(1).await;
    let reason = instance.reason().await;
    assert!(reason.contains("is no CloudEvent"), "{reason}");
}

#[tokio::test]
async fn outside_of_a_handler_there_is_nothing_to_mark() {
    let place = place().await;
    let instance = Instance::alone(&place).await;
    let publisher = instance.running.publisher_with::<TheStore>();
    let publisher = publisher.expect("it is that store");
    let mut transaction = instance.store.begin().await.expect("begun");
    let marked = publisher.within(&mut transaction).mark_handled().await;
    assert!(matches!(marked, Err(MarkError::NoHandler)), "{marked:?}");
}
