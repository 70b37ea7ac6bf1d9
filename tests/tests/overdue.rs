//! A shutdown whose handlers do not end, some of them not even when they are aborted.

use std::future::pending;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use fanfare::prelude::*;
use fanfare_tests::{Tell, channel, event, publish};

#[derive(Streamers)]
struct Streamers {
    main: Memory,
}

#[event(stream_to = streamer!("main", "jobs"))]
struct Job {
    number: u32,
}

/// Tells that a handler was ended.
struct Ended(Tell<&'static str>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.tell("ended");
    }
}

fn block(tell: &Tell<&'static str>, barrier: &Barrier) {
    tell.tell("blocks");
    barrier.wait();
}

#[event_handler(streamed_from = streamer!("main", "jobs"))]
async fn a_block(
    _: Job,
    State(tell): State<Tell<&'static str>>,
    State(barrier): State<Arc<Barrier>>,
) -> Result<()> {
    block(&tell, &barrier);
    Ok(())
}

#[event_handler(streamed_from = streamer!("main", "jobs"))]
async fn b_block(
    _: Job,
    State(tell): State<Tell<&'static str>>,
    State(barrier): State<Arc<Barrier>>,
) -> Result<()> {
    block(&tell, &barrier);
    Ok(())
}

#[event_handler(streamed_from = streamer!("main", "jobs"))]
async fn c_wait(_: Job, State(tell): State<Tell<&'static str>>) -> Result<()> {
    let _ended = Ended(tell.clone());
    tell.tell("waits");
    pending().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn all_that_are_overdue_are_aborted_at_once() {
    let main = Memory::new();
    let (tell, mut told) = channel::<&str>();
    let barrier = Arc::new(Barrier::new(3));
    let app = App::new("shop")
        .streamers(Streamers { main: main.clone() })
        .state(tell)
        .state(Arc::clone(&barrier))
        .shutdown_deadline(Duration::ZERO);
    let running = app.start().await.expect("started");
    publish(&main, "jobs", event("Job", r#"{"number":1}"#)).await;
    for _ in 0..3 {
        told.next().await;
    }

    let begin = Instant::now();
    let ending = tokio::spawn(running.shutdown());
    assert_eq!(told.next().await, "ended");
    let aborted = begin.elapsed();
    let error = ending.await.expect("no panic").expect_err("overdue");
    let ended = begin.elapsed();
    // Before anything can fail: the test cannot end while they block.
    barrier.wait();
    assert!(aborted < Duration::from_secs(4), "{aborted:?}");
    assert!(
        ended < Duration::from_secs(9),
        "they share the five seconds: {ended:?}"
    );
    let expected = ["a_block", "b_block", "c_wait"].map(|handler| {
        let how = match handler {
            "c_wait" => "was aborted",
            _ => "still blocks its thread",
        };
        format!("the handler `{handler}` (from main/jobs) did not finish within 0ns and {how}: what it had in hand comes again")
    });
    assert_eq!(
        error.to_string(),
        format!("`shop` did not shut down cleanly: {}", expected.join("; "))
    );
}
