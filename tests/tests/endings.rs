//! What an end tells of what it leaves behind.

use std::time::Duration;

use fanfare::prelude::*;
use fanfare::{PublishError, Running};
use fanfare_tests::{Heard, Tell, channel};

#[derive(Streamers)]
struct Streamers {
    main: Memory,
}

#[event(stream_to = streamer!("main", "jobs"))]
struct Job {
    number: u32,
}

#[event]
struct Hint {
    number: u32,
}

/// Begins one job and never ends it.
#[event_handler(streamed_from = streamer!("main", "jobs"))]
async fn work(job: Job, State(tell): State<Tell<u32>>) -> Result<()> {
    tell.tell(job.number);
    std::future::pending().await
}

#[event_handler]
async fn hear(hint: Hint, State(tell): State<Tell<u32>>) -> Result<()> {
    tell.tell(hint.number);
    Ok(())
}

async fn start(main: Memory) -> (Running, Heard<u32>) {
    let (tell, heard) = channel();
    let app = App::new("shop").streamers(Streamers { main }).state(tell);
    let running = app.shutdown_deadline(Duration::from_secs(2)).start();
    (running.await.expect("started"), heard)
}

#[tokio::test(start_paused = true)]
async fn events_that_are_gone_with_the_memory_are_told() {
    let (running, mut heard) = start(Memory::new()).await;
    for number in 0..10 {
        running
            .publisher()
            .publish(Job { number })
            .await
            .expect("published");
    }
    heard.next().await;
    let said = running
        .shutdown()
        .await
        .expect_err("events are lost")
        .to_string();
    assert!(
        said.contains("10 unacknowledged events were in the memory, and are gone"),
        "{said}"
    );
}

#[tokio::test(start_paused = true)]
async fn events_that_another_connection_still_has_are_not_lost() {
    let memory = Memory::new();
    let (running, _heard) = start(memory.clone()).await;
    let publisher = running.publisher();
    drop(running);
    // The next instance has them, so this one's end loses none.
    let (running, mut heard) = start(memory.clone()).await;
    running
        .publisher()
        .publish(Job { number: 1 })
        .await
        .expect("published");
    heard.next().await;
    let said = running
        .shutdown()
        .await
        .expect_err("one did not finish")
        .to_string();
    assert!(!said.contains("are gone"), "{said}");
    drop((publisher, memory));
}

#[tokio::test(start_paused = true)]
async fn a_handler_with_nothing_in_hand_is_not_accused() {
    let (running, mut heard) = start(Memory::new()).await;
    running
        .publisher()
        .publish(Job { number: 1 })
        .await
        .expect("published");
    heard.next().await;
    let said = running
        .shutdown()
        .await
        .expect_err("`work` did not finish")
        .to_string();
    assert!(said.contains("`work`"), "{said}");
    assert!(!said.contains("`hear`"), "{said}");
}

#[tokio::test]
async fn a_publisher_of_an_app_that_is_dropped_takes_nothing() {
    let (running, _heard) = start(Memory::new()).await;
    let publisher = running.publisher();
    drop(running);
    for refused in [
        publisher.publish(Job { number: 1 }).await,
        publisher.publish(Hint { number: 1 }).await,
    ] {
        assert!(
            matches!(refused, Err(PublishError::ShutDown { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn an_app_has_a_name_that_logs_and_headers_can_carry() {
    for name in ["", "two words", "line\nbreak"] {
        let app = App::new(name).streamers(Streamers {
            main: Memory::new(),
        });
        let faults = app.check().expect_err("no name").to_string();
        assert!(faults.contains("name it in `App::new"), "{faults}");
    }
}
