//! A shutdown begins nothing, even if a slot gets free at the same moment.

use std::pin::pin;
use std::sync::Arc;

use fanfare::prelude::*;
use fanfare_tests::{Spy, Tell, channel, event, publish};
use futures_util::future::poll_immediate;
use tokio::sync::Notify;

#[derive(Streamers)]
struct Streamers {
    main: Spy,
}

#[event(stream_to = streamer!("main", "jobs"), key = number)]
struct Job {
    number: u32,
}

#[event_handler(streamed_from = streamer!("main", "jobs"))]
async fn work(
    job: Job,
    State(go): State<Arc<Notify>>,
    State(tell): State<Tell<u32>>,
) -> Result<()> {
    tell.tell(job.number);
    if job.number == 0 {
        go.notified().await;
    }
    Ok(())
}

#[tokio::test]
async fn a_shutdown_begins_nothing_new() {
    let spy = Spy::default();
    let (tell, mut told) = channel::<u32>();
    let go = Arc::new(Notify::new());
    let app = App::new("shop").streamers(Streamers {
        main: spy.another(),
    });
    let running = app
        .state(tell)
        .state(Arc::clone(&go))
        .start()
        .await
        .expect("started");
    for number in 0..10 {
        let job = event("Job", &format!(r#"{{"number":{number}}}"#));
        let job = job.with_key(&number.to_string()).expect("a key");
        publish(spy.memory(), "jobs", job).await;
    }
    assert_eq!(told.next().await, 0);
    // The others are taken, and wait for their turn.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    go.notify_one();
    let mut shutdown = pin!(running.shutdown());
    assert!(poll_immediate(shutdown.as_mut()).await.is_none());
    shutdown.await.expect("shut down");
    assert_eq!(told.rest(), [0; 0], "begun after the shutdown");
}
