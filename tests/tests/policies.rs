//! What a handler says of its own retries, time and concurrency.

use std::time::Duration;

use fanfare::event::Envelope;
use fanfare::prelude::*;
use fanfare::{Error, Running};
use fanfare_tests::{Ear, Heard, Spy, Tell, channel, event, extension, listen, publish};
use tokio::time::{Instant, sleep};

#[derive(Streamers)]
struct Streamers {
    main: Spy,
}

#[event(
    stream_to = [
        streamer!("main", "patient"),
        streamer!("main", "classified"),
        streamer!("main", "slow"),
        streamer!("main", "wide"),
        streamer!("main", "overtaking"),
    ],
    key = key
)]
struct Order {
    key: String,
    number: u32,
}

/// A handler's word that it began or ended with an order.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Began(String, u32, Instant),
    Ended(String, u32, Instant),
}

impl Said {
    fn name(&self) -> String {
        match self {
            Said::Began(key, number, _) => format!("+{key}{number}"),
            Said::Ended(key, number, _) => format!("-{key}{number}"),
        }
    }

    fn at(&self) -> Instant {
        let (Said::Began(.., at) | Said::Ended(.., at)) = self;
        *at
    }
}

#[event_handler(
    streamed_from = streamer!("main", "patient"),
    retry(attempts = 3, backoff = "1s..1s")
)]
async fn patient(order: Order, State(tell): State<Tell<Said>>) -> Result<()> {
    tell.tell(Said::Began(order.key, order.number, Instant::now()));
    Err(Error::msg("never"))
}

#[event_handler(streamed_from = streamer!("main", "classified"), retry(attempts = 2))]
async fn classified(order: Order, State(tell): State<Tell<Said>>) -> Result<()> {
    tell.tell(Said::Began(order.key.clone(), order.number, Instant::now()));
    match order.key.as_str() {
        "later" => Err(Error::retry_after(Duration::from_mins(1))),
        _ => Err(Error::reject("no such customer")),
    }
}

#[event_handler(
    streamed_from = streamer!("main", "slow"),
    retry(attempts = 1),
    timeout = "10s"
)]
async fn slow(order: Order, State(tell): State<Tell<Said>>) -> Result<()> {
    tell.tell(Said::Began(order.key, order.number, Instant::now()));
    std::future::pending().await
}

/// Takes a second, or until the end of days.
async fn work(order: Order, tell: Tell<Said>) {
    tell.tell(Said::Began(order.key.clone(), order.number, Instant::now()));
    let takes = if order.key == "stuck" { 1_000_000 } else { 1 };
    sleep(Duration::from_secs(takes)).await;
    tell.tell(Said::Ended(order.key, order.number, Instant::now()));
}

#[event_handler(streamed_from = streamer!("main", "wide"), concurrency = 3)]
async fn wide(order: Order, State(tell): State<Tell<Said>>) -> Result<()> {
    work(order, tell).await;
    Ok(())
}

#[event_handler(
    streamed_from = streamer!("main", "overtaking"),
    retry(attempts = 2, backoff = "1s..1s"),
    retry = requeue
)]
async fn overtaking(
    order: Order,
    metadata: Metadata,
    State(tell): State<Tell<Said>>,
) -> Result<()> {
    if metadata.attempt() == 1 && order.number == 1 {
        return Err(Error::msg("not yet"));
    }
    work(order, tell).await;
    Ok(())
}

struct Started {
    spy: Spy,
    said: Heard<Said>,
    dead_letters: Ear,
    running: Running,
}

async fn start(topic: &str) -> Started {
    let spy = Spy::default();
    let (tell, said) = channel::<Said>();
    let streamers = Streamers {
        main: spy.another(),
    };
    let running = App::new("shop").streamers(streamers).state(tell).start();
    Started {
        running: running.await.expect("started"),
        dead_letters: listen(spy.memory(), &format!("{topic}.dead-letters")).await,
        spy,
        said,
    }
}

fn order(key: &str, number: u32) -> Envelope {
    let payload = format!(r#"{{"key":"{key}","number":{number}}}"#);
    event("Order", &payload).with_key(key).expect("a key")
}

impl Started {
    async fn order(&self, topic: &str, key: &str, number: u32) {
        publish(self.spy.memory(), topic, order(key, number)).await;
    }

    /// The next so many things that are said.
    async fn hear(&mut self, many: usize) -> Vec<Said> {
        let mut said = Vec::new();
        for _ in 0..many {
            said.push(self.said.next().await);
        }
        said
    }

    async fn names(&mut self, many: usize) -> Vec<String> {
        self.hear(many).await.iter().map(Said::name).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_and_pauses_are_the_handlers_own() {
    let mut started = start("patient").await;
    started.order("patient", "a", 1).await;
    let letter = started.dead_letters.next_event().await;
    assert_eq!(extension(&letter, "deadletterattempts"), "3");
    let times: Vec<_> = started.hear(3).await.iter().map(Said::at).collect();
    for pair in times.windows(2) {
        let pause = pair[1] - pair[0];
        // The jitter adds up to the pause once more.
        assert!((1.0..=2.01).contains(&pause.as_secs_f64()), "{pause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_rejected_is_not_tried_again() {
    let mut started = start("classified").await;
    started.order("classified", "never", 1).await;
    let letter = started.dead_letters.next_event().await;
    assert_eq!(extension(&letter, "deadletterattempts"), "1");
    assert_eq!(extension(&letter, "deadletterreason"), "no such customer");
}

#[tokio::test(start_paused = true)]
async fn a_handler_says_when_it_wants_the_next_attempt() {
    let mut started = start("classified").await;
    started.order("classified", "later", 1).await;
    let letter = started.dead_letters.next_event().await;
    assert_eq!(extension(&letter, "deadletterattempts"), "2");
    let said = started.hear(2).await;
    let pause = (said[1].at() - said[0].at()).as_secs();
    assert_eq!(pause, 60);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_ends_with_its_time() {
    let mut started = start("slow").await;
    let begin = Instant::now();
    started.order("slow", "a", 1).await;
    let letter = started.dead_letters.next_event().await;
    assert_eq!(begin.elapsed().as_secs(), 10);
    let reason = extension(&letter, "deadletterreason");
    assert_eq!(reason, "the attempt took longer than 10s, and was ended");
}

#[tokio::test(start_paused = true)]
async fn no_more_attempts_are_under_way_than_the_concurrency() {
    let mut started = start("wide").await;
    for key in ["a", "b", "c", "d", "e"] {
        started.order("wide", key, 1).await;
    }
    let (mut now, mut most) = (0, 0);
    for said in started.hear(10).await {
        match said {
            Said::Began(..) => now += 1,
            Said::Ended(..) => now -= 1,
        }
        most = most.max(now);
    }
    assert_eq!(most, 3);
}

#[tokio::test(start_paused = true)]
async fn order_holds_for_each_key_under_concurrency() {
    let mut started = start("wide").await;
    for number in 1..=3 {
        for key in ["a", "b"] {
            started.order("wide", key, number).await;
        }
    }
    let names = started.names(12).await;
    for key in ["a", "b"] {
        let of_key: Vec<_> = names.iter().filter(|name| name.contains(key)).collect();
        let expected =
            [1, 2, 3].map(|number| [format!("+{key}{number}"), format!("-{key}{number}")]);
        assert_eq!(of_key, expected.as_flattened().iter().collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_stuck_on_one_key_stops_no_other_key() {
    let mut started = start("wide").await;
    started.order("wide", "stuck", 1).await;
    started.order("wide", "stuck", 2).await;
    for number in 1..=20 {
        started.order("wide", "a", number).await;
    }
    let names = started.names(41).await;
    assert_eq!(names.last().map(String::as_str), Some("-a20"));
    assert!(!names.contains(&"+stuck2".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_requeued_lets_its_key_overtake_it() {
    let mut started = start("overtaking").await;
    for number in 1..=3 {
        started.order("overtaking", "a", number).await;
    }
    let names = started.names(6).await;
    assert_eq!(names, ["+a2", "-a2", "+a3", "-a3", "+a1", "-a1"]);
}

#[tokio::test(start_paused = true)]
async fn attempts_are_counted_on_in_another_instance() {
    let mut started = start("patient").await;
    started.order("patient", "a", 1).await;
    started.hear(1).await;
    // In the pause after the first attempt, this instance ends and another takes over.
    started.running.shutdown().await.expect("shut down");
    let (tell, mut said) = channel::<Said>();
    let streamers = Streamers {
        main: started.spy.another(),
    };
    let second = App::new("shop").streamers(streamers).state(tell).start();
    let _second = second.await.expect("started");
    let letter = started.dead_letters.next_event().await;
    assert_eq!(extension(&letter, "deadletterattempts"), "3");
    assert_eq!(said.rest().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_ends_one_instance_after_another_goes_to_the_dead_letters() {
    let mut started = start("slow").await;
    started.order("slow", "a", 1).await;
    // Its one attempt is under way when its instance is gone.
    started.hear(1).await;
    drop(started.running);
    let streamers = Streamers {
        main: started.spy.another(),
    };
    let (tell, _said) = channel::<Said>();
    let second = App::new("shop").streamers(streamers).state(tell).start();
    let _second = second.await.expect("started");
    let letter = started.dead_letters.next_event().await;
    assert_eq!(extension(&letter, "deadletterattempts"), "1");
    let reason = extension(&letter, "deadletterreason");
    assert_eq!(reason, "every attempt at it ended before it did");
}
