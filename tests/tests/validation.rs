//! A handler's own check of its events, before it is called.

use fanfare::Running;
use fanfare::event::Envelope;
use fanfare::prelude::*;
use fanfare_tests::{Ear, Heard, Tell, channel, event, extension, foreign, listen, publish};

#[derive(Streamers)]
struct Streamers {
    main: Memory,
}

#[event(stream_to = [streamer!("main", "payments"), streamer!("main", "batches")])]
struct Paid {
    cents: i64,
}

mod rules {
    use super::Paid;

    pub(super) fn positive(paid: &Paid) -> Result<(), String> {
        assert!(paid.cents < 1_000_000, "too much");
        if paid.cents > 0 {
            Ok(())
        } else {
            Err(format!("{} cents are no payment", paid.cents))
        }
    }
}

fn not_empty(raw: &RawEvent) -> Result<(), &'static str> {
    let is_empty = raw.payload().is_empty();
    if is_empty {
        Err("nothing in it")
    } else {
        Ok(())
    }
}

#[event_handler(
    streamed_from = streamer!("main", "payments"),
    validate = rules::positive,
    retry(attempts = 5)
)]
async fn book(paid: Paid, State(tell): State<Tell<Vec<i64>>>) -> Result<()> {
    tell.tell(vec![paid.cents]);
    Ok(())
}

#[event_handler(
    streamed_from = streamer!("main", "batches"),
    validate = rules::positive,
    batch(max = 3, within = "1h")
)]
async fn sum(payments: Vec<Paid>, State(tell): State<Tell<Vec<i64>>>) -> Result<()> {
    tell.tell(payments.iter().map(|paid| paid.cents).collect());
    Ok(())
}

#[event_handler(streamed_from = streamer!("main", "anything"), validate = not_empty)]
async fn take(raw: RawEvent, State(tell): State<Tell<Vec<i64>>>) -> Result<()> {
    tell.tell(vec![i64::try_from(raw.payload().len())?]);
    Ok(())
}

fn paid(cents: i64) -> Envelope {
    event("Paid", &format!(r#"{{"cents":{cents}}}"#))
}

struct Started {
    memory: Memory,
    _running: Running,
    told: Heard<Vec<i64>>,
    letters: Ear,
}

async fn start(topic: &str) -> Started {
    let memory = Memory::new();
    let (tell, told) = channel::<Vec<i64>>();
    let streamers = Streamers {
        main: memory.clone(),
    };
    let app = App::new("till").streamers(streamers).state(tell);
    Started {
        _running: app.start().await.expect("started"),
        letters: listen(&memory, &format!("{topic}.dead-letters")).await,
        memory,
        told,
    }
}

#[tokio::test]
async fn an_event_that_is_not_valid_is_dead_lettered_at_once_with_what_was_said() {
    let mut started = start("payments").await;
    publish(&started.memory, "payments", paid(-5)).await;
    let letter = started.letters.next_event().await;
    let reason = extension(&letter, "deadletterreason");
    assert_eq!(
        reason,
        "the event is not valid: `rules::positive` says: -5 cents are no payment"
    );
    assert_eq!(extension(&letter, "deadletterattempts"), "1");
    publish(&started.memory, "payments", paid(7)).await;
    assert_eq!(started.told.next().await, [7]);
}

#[tokio::test]
async fn a_check_that_panics_refuses_that_event_alone() {
    let mut started = start("batches").await;
    for cents in [1, 1_000_000, 3] {
        publish(&started.memory, "batches", paid(cents)).await;
    }
    assert_eq!(started.told.next().await, [1, 3]);
    let letter = started.letters.next_event().await;
    assert!(extension(&letter, "deadletterreason").contains("it panicked: too much"));
}

#[tokio::test]
async fn one_of_a_batch_that_is_not_valid_takes_nobody_with_it() {
    let mut started = start("batches").await;
    for cents in [1, 0, 3] {
        publish(&started.memory, "batches", paid(cents)).await;
    }
    assert_eq!(started.told.next().await, [1, 3]);
    let letter = started.letters.next_event().await;
    assert!(extension(&letter, "deadletterreason").contains("0 cents are no payment"));
}

#[tokio::test]
async fn what_has_no_type_is_checked_too() {
    let mut started = start("anything").await;
    publish(&started.memory, "anything", foreign("")).await;
    publish(&started.memory, "anything", foreign("four")).await;
    assert_eq!(started.told.next().await, [4]);
    assert_eq!(started.letters.next().await.payload(), "");
}
