//! Handlers that take several events at a time.

use std::time::Duration;

use fanfare::event::Envelope;
use fanfare::prelude::*;
use fanfare::{Error, Running};
use fanfare_tests::{Ear, Heard, Spy, Tell, channel, event, extension, listen, publish};
use tokio::sync::Semaphore;
use tokio::time::Instant;

#[derive(Streamers)]
struct Streamers {
    main: Spy,
}

#[event(
    stream_to = [
        streamer!("main", "together"),
        streamer!("main", "each"),
        streamer!("main", "wide"),
        streamer!("main", "overtaking"),
        streamer!("main", "poisoned"),
    ],
    key = key
)]
#[derive(Clone, Debug, PartialEq)]
struct Row {
    key: String,
    /// What the handlers do with it.
    number: i32,
}

#[event(stream_to = streamer!("main", "stored"))]
struct Stored {
    number: i32,
}

/// A batch, as a handler got it.
#[derive(Debug)]
struct Got {
    rows: Vec<String>,
    attempts: Vec<u32>,
}

impl Got {
    fn new(rows: &[Row], metadata: &[Metadata]) -> Self {
        Got {
            rows: rows
                .iter()
                .map(|row| format!("{}{}", row.key, row.number))
                .collect(),
            attempts: metadata.iter().map(Metadata::attempt).collect(),
        }
    }
}

/// Fails all where one is negative, and answers once for all.
#[event_handler(
    streamed_from = streamer!("main", "together"),
    batch(max = 3, within = "1s"),
    retry(attempts = 2, backoff = "1s..1s")
)]
async fn together(
    rows: Vec<Row>,
    metadata: Vec<Metadata>,
    State(tell): State<Tell<Got>>,
) -> Result<()> {
    tell.tell(Got::new(&rows, &metadata));
    if rows.iter().any(|row| row.number < 0) {
        return Err(Error::msg("a negative one"));
    }
    Ok(())
}

/// One outcome for each: of those from 100, the first attempt fails, and what is negative is
/// rejected. Announces each.
#[event_handler(
    streamed_from = streamer!("main", "each"),
    batch(max = 100, within = "1s"),
    retry(attempts = 2, backoff = "1s..1s")
)]
async fn each(
    rows: Vec<Row>,
    metadata: Vec<Metadata>,
    publishers: Vec<Publisher>,
    State(tell): State<Tell<Got>>,
) -> Vec<Result<()>> {
    tell.tell(Got::new(&rows, &metadata));
    let mut outcomes = Vec::new();
    for ((row, metadata), publisher) in rows.iter().zip(metadata).zip(publishers) {
        let stored = Stored { number: row.number };
        outcomes.push(match publisher.publish(stored).await {
            Err(error) => Err(error.into()),
            Ok(_) if row.number < 0 => Err(Error::reject("negative")),
            Ok(_) if row.number >= 100 && metadata.attempt() == 1 => Err(Error::msg("not yet")),
            Ok(_) => Ok(()),
        });
    }
    outcomes
}

/// Two batches at a time, as long as they are let.
#[event_handler(
    streamed_from = streamer!("main", "wide"),
    batch(max = 2, within = "1s"),
    concurrency = 2
)]
async fn wide(
    rows: Vec<Row>,
    State(tell): State<Tell<Got>>,
    State(gate): State<&'static Semaphore>,
) -> Result<()> {
    tell.tell(Got::new(&rows, &[]));
    gate.acquire().await?.forget();
    Ok(())
}

/// Answers for one of them only, the first time.
#[event_handler(
    streamed_from = streamer!("main", "overtaking"),
    batch(max = 3, within = "1s"),
    retry = requeue
)]
async fn overtaking(
    rows: Vec<Row>,
    metadata: Vec<Metadata>,
    State(tell): State<Tell<Got>>,
) -> Result<Vec<Result<()>>> {
    tell.tell(Got::new(&rows, &metadata));
    let outcome = |metadata: &Metadata| match metadata.attempt() {
        1 if metadata.key() == Some("late") => Err(Error::msg("not yet")),
        _ => Ok(()),
    };
    if rows.len() == 2 {
        return Ok(vec![Ok(())]);
    }
    Ok(metadata.iter().map(outcome).collect())
}

struct Started {
    spy: Spy,
    got: Heard<Got>,
    running: Running,
    gate: &'static Semaphore,
}

async fn start() -> Started {
    let spy = Spy::default();
    let (tell, got) = channel::<Got>();
    let gate: &'static Semaphore = Box::leak(Box::new(Semaphore::new(0)));
    let streamers = Streamers {
        main: spy.another(),
    };
    let app = App::new("shop").streamers(streamers);
    let running = app.state(tell).state(gate).start();
    Started {
        running: running.await.expect("started"),
        spy,
        got,
        gate,
    }
}

fn row(key: &str, number: i32) -> Envelope {
    let payload = format!(r#"{{"key":"{key}","number":{number}}}"#);
    event("Row", &payload).with_key(key).expect("a key")
}

impl Started {
    async fn rows(&self, topic: &str, rows: &[(&str, i32)]) {
        for (key, number) in rows {
            publish(self.spy.memory(), topic, row(key, *number)).await;
        }
    }

    async fn dead_letters(&self, topic: &str) -> Ear {
        listen(self.spy.memory(), &format!("{topic}.dead-letters")).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_full_waits_no_longer() {
    let mut started = start().await;
    let begin = Instant::now();
    started
        .rows("together", &[("a", 1), ("b", 2), ("a", 3), ("b", 4)])
        .await;
    let full = started.got.next().await;
    assert_eq!((full.rows.len(), begin.elapsed()), (3, Duration::ZERO));
    let rest = started.got.next().await;
    assert_eq!(rest.rows.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_given_when_its_first_has_waited_long_enough() {
    let mut started = start().await;
    let begin = Instant::now();
    started.rows("together", &[("a", 1), ("b", 2)]).await;
    let got = started.got.next().await;
    assert_eq!(got.rows.len(), 2);
    assert!((1.0..1.01).contains(&begin.elapsed().as_secs_f64()));
}

#[tokio::test(start_paused = true)]
async fn one_that_always_fails_takes_no_other_of_its_batch_to_the_dead_letters() {
    let mut started = start().await;
    let mut letters = started.dead_letters("together").await;
    started
        .rows("together", &[("a", 1), ("b", -1), ("c", 2)])
        .await;
    let letter = letters.next_event().await;
    assert_eq!(letter.key(), Some("b"));
    assert_eq!(extension(&letter, "deadletterattempts"), "2");
    assert_eq!(extension(&letter, "deadletterreason"), "a negative one");
    let batch = started.got.next().await;
    assert_eq!(batch.rows.len(), 3);
    let mut alone = Vec::new();
    for _ in 0..3 {
        alone.push(started.got.next().await.rows);
    }
    alone.sort();
    assert_eq!(alone, [["a1"], ["b-1"], ["c2"]]);
    started.running.shutdown().await.expect("shut down");
    assert!(letters.rest().is_empty());
}

#[tokio::test(start_paused = true)]
async fn each_event_has_an_outcome_of_its_own() {
    let mut started = start().await;
    let mut letters = started.dead_letters("each").await;
    let mut stored = listen(started.spy.memory(), "stored").await;
    started
        .rows("each", &[("a", 1), ("b", -1), ("c", 100)])
        .await;
    let batch = started.got.next().await;
    assert_eq!(batch.attempts, [1, 1, 1]);
    let again = started.got.next().await;
    assert_eq!(
        (again.rows, again.attempts),
        (vec!["c100".to_owned()], vec![2])
    );
    let letter = letters.next_event().await;
    assert_eq!(letter.key(), Some("b"));
    assert_eq!(extension(&letter, "deadletterreason"), "negative");
    started.running.shutdown().await.expect("shut down");
    // What each announced is out when it has succeeded, and only then.
    let payloads: Vec<_> = stored
        .rest()
        .iter()
        .map(|message| String::from_utf8_lossy(message.payload()).into_owned())
        .collect();
    assert_eq!(payloads, [r#"{"number":1}"#, r#"{"number":100}"#]);
}

#[tokio::test(start_paused = true)]
async fn what_an_event_announces_is_caused_by_that_event() {
    let started = start().await;
    let mut stored = listen(started.spy.memory(), "stored").await;
    let (one, other) = (row("a", 1), row("a", 2));
    publish(started.spy.memory(), "each", one.clone()).await;
    publish(started.spy.memory(), "each", other.clone()).await;
    for cause in [one, other] {
        let stored = stored.next_event().await;
        assert_eq!(extension(&stored, "causationid"), cause.id().to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn what_stands_behind_a_failed_one_of_its_key_is_handled_again_after_it() {
    let mut started = start().await;
    started
        .rows("each", &[("a", 100), ("b", 1), ("a", 2), ("a", 101)])
        .await;
    let batch = started.got.next().await;
    assert_eq!(batch.rows, ["a100", "b1", "a2", "a101"]);
    let rest = [
        started.got.next().await,
        started.got.next().await,
        started.got.next().await,
    ];
    let rows = rest.each_ref().map(|got| got.rows.join(" "));
    assert_eq!(rows, ["a100", "a2", "a101"]);
    // Those behind it are at their first attempt, whatever they answered before.
    let attempts = rest.each_ref().map(|got| got.attempts[0]);
    assert_eq!(attempts, [2, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn what_is_rejected_behind_a_failed_one_of_its_key_is_asked_again_after_it() {
    let mut started = start().await;
    let mut letters = started.dead_letters("each").await;
    started.rows("each", &[("a", 100), ("a", -1)]).await;
    let mut rows = Vec::new();
    for _ in 0..3 {
        rows.push(started.got.next().await.rows.join(" "));
    }
    assert_eq!(rows, ["a100 a-1", "a100", "a-1"]);
    let letter = letters.next_event().await;
    assert_eq!(extension(&letter, "deadletterattempts"), "1");
}

/// Of the service's own.
#[event]
struct Own {
    number: i32,
}

#[event_handler(batch(max = 100, within = "1h"))]
async fn own(rows: Vec<Own>, State(tell): State<Tell<Got>>) -> Result<()> {
    let rows = rows.iter().map(|own| own.number.to_string()).collect();
    tell.tell(Got {
        rows,
        attempts: Vec::new(),
    });
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_no_more_of_the_services_own_events() {
    let mut started = start().await;
    let publisher = started.running.publisher();
    for number in 0..3 {
        publisher.publish(Own { number }).await.expect("published");
    }
    let begin = Instant::now();
    started.running.shutdown().await.expect("shut down");
    assert_eq!(begin.elapsed(), Duration::ZERO);
    let mut rows = Vec::new();
    while rows.len() < 3 {
        rows.extend(started.got.next().await.rows);
    }
    assert_eq!(rows, ["0", "1", "2"]);
}

/// Slow, and always fails for those of one key.
#[event_handler(
    streamed_from = streamer!("main", "poisoned"),
    batch(max = 2, within = "1s"),
    retry(attempts = 100, backoff = "1ms..1ms"),
    retry = requeue
)]
async fn poisoned(rows: Vec<Row>, State(tell): State<Tell<Got>>) -> Result<()> {
    tell.tell(Got::new(&rows, &[]));
    tokio::time::sleep(Duration::from_secs(10)).await;
    if rows.iter().any(|row| row.key.starts_with("poison")) {
        return Err(Error::msg("poison"));
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_its_turn_beside_what_is_tried_again() {
    let mut started = start().await;
    let begin = Instant::now();
    started
        .rows("poisoned", &[("poison1", 1), ("poison2", 1)])
        .await;
    assert_eq!(started.got.next().await.rows.len(), 2);
    started.rows("poisoned", &[("a", 1), ("b", 1)]).await;
    while started.got.next().await.rows != ["a1", "b1"] {}
    assert!(begin.elapsed() < Duration::from_mins(1), "{begin:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_not_in_the_batch() {
    let mut started = start().await;
    let mut letters = started.dead_letters("together").await;
    started.rows("together", &[("a", 1)]).await;
    publish(started.spy.memory(), "together", event("Row", "nothing")).await;
    started.rows("together", &[("a", 2)]).await;
    let batch = started.got.next().await;
    assert_eq!((batch.rows.len(), batch.attempts.len()), (2, 2));
    assert_eq!(letters.next_event().await.payload().as_ref(), b"nothing");
}

#[tokio::test(start_paused = true)]
async fn events_of_one_key_are_never_in_two_batches_at_a_time() {
    let mut started = start().await;
    started
        .rows("wide", &[("a", 1), ("a", 2), ("a", 3), ("b", 1)])
        .await;
    let first = started.got.next().await;
    assert_eq!(first.rows, ["a1", "a2"]);
    // The third of its key waits, and the one of another key does not.
    let second = started.got.next().await;
    assert_eq!(second.rows, ["b1"]);
    assert!(started.got.rest().is_empty());
    started.gate.add_permits(1);
    assert_eq!(started.got.next().await.rows, ["a3"]);
    started.gate.add_permits(2);
    started.running.shutdown().await.expect("shut down");
}

#[tokio::test(start_paused = true)]
async fn while_its_handler_is_busy_a_batch_grows() {
    let mut started = start().await;
    started.rows("wide", &[("a", 1)]).await;
    assert_eq!(started.got.next().await.rows, ["a1"]);
    started.rows("wide", &[("b", 1)]).await;
    assert_eq!(started.got.next().await.rows, ["b1"]);
    // Both are busy for long.
    started.rows("wide", &[("c", 1)]).await;
    tokio::time::advance(Duration::from_mins(1)).await;
    started.rows("wide", &[("d", 1)]).await;
    started.gate.add_permits(1);
    let mut both = started.got.next().await.rows;
    both.sort();
    assert_eq!(both, ["c1", "d1"]);
    started.gate.add_permits(3);
    started.running.shutdown().await.expect("shut down");
}

#[tokio::test(start_paused = true)]
async fn of_a_requeued_batch_others_of_the_key_overtake_what_failed() {
    let mut started = start().await;
    started
        .rows("overtaking", &[("late", 1), ("late", 2), ("a", 1)])
        .await;
    let batch = started.got.next().await;
    assert_eq!(batch.rows.len(), 3);
    started.rows("overtaking", &[("late", 3)]).await;
    let rows = |got: Got| got.rows.join(" ");
    let mut next = Vec::new();
    while next.len() < 3 {
        next.push(rows(started.got.next().await));
    }
    next.sort();
    assert_eq!(next, ["late1", "late2", "late3"]);
}

#[tokio::test(start_paused = true)]
async fn outcomes_that_are_too_few_fail_the_whole_batch() {
    let mut started = start().await;
    started.rows("overtaking", &[("a", 1), ("b", 1)]).await;
    assert_eq!(started.got.next().await.rows.len(), 2);
    let mut attempts = [started.got.next().await, started.got.next().await]
        .map(|got| (got.rows.join(" "), got.attempts[0]));
    attempts.sort();
    assert_eq!(attempts, [("a1".to_owned(), 2), ("b1".to_owned(), 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_gives_back_what_was_gathered_and_not_begun() {
    let mut started = start().await;
    started.rows("together", &[("a", 1), ("b", 1)]).await;
    tokio::task::yield_now().await;
    let begin = Instant::now();
    started.running.shutdown().await.expect("shut down");
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert!(started.got.rest().is_empty());
    let streamers = Streamers {
        main: started.spy.another(),
    };
    let (tell, mut got) = channel::<Got>();
    let app = App::new("shop").streamers(streamers).state(tell);
    let _second = app.state(started.gate).start().await.expect("started");
    let again = got.next().await;
    assert_eq!((again.rows.len(), again.attempts), (2, vec![1, 1]));
}

#[tokio::test(start_paused = true)]
async fn thousands_come_in_order_by_key_and_none_twice() {
    let mut started = start().await;
    let spy = started.spy.clone();
    let publishing = tokio::spawn(async move {
        for number in 0..2_000 {
            let key = ["a", "b", "c", "d", "e"][number % 5];
            let number = i32::try_from(number).expect("small");
            publish(spy.memory(), "together", row(key, number)).await;
        }
    });
    let mut seen: Vec<String> = Vec::new();
    while seen.len() < 2_000 {
        seen.extend(started.got.next().await.rows);
    }
    publishing.await.expect("published");
    for key in ["a", "b", "c", "d", "e"] {
        let of_key = seen.iter().filter_map(|row| row.strip_prefix(key));
        let numbers: Vec<u32> = of_key
            .map(|number| number.parse().expect("a number"))
            .collect();
        assert_eq!(numbers.len(), 400);
        assert!(numbers.is_sorted_by(|a, b| a < b));
    }
}
