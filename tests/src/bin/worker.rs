//! A service that takes its time over one job: `worker MILLISECONDS`. The tests send it signals.

use std::time::Duration;

use fanfare::prelude::*;
use fanfare_tests::{Spy, event, publish, until};

#[derive(Streamers)]
struct Streamers {
    main: Spy,
}

#[event(stream_to = streamer!("main", "jobs"))]
struct Job {
    milliseconds: u64,
}

#[event_handler(streamed_from = streamer!("main", "jobs"))]
async fn work(job: Job) -> Result<()> {
    println!("begun");
    tokio::time::sleep(Duration::from_millis(job.milliseconds)).await;
    println!("finished");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_ansi(false).init();
    let milliseconds: u64 = std::env::args().nth(1).unwrap_or_default().parse()?;
    let main = Spy::default();
    let streamers = Streamers { main: main.clone() };
    let running = tokio::spawn(App::new("shop").streamers(streamers).run());
    let subscribed = || {
        main.seen()
            .iter()
            .any(|seen| seen == "subscribe jobs shop.work")
    };
    until("subscribed", subscribed).await;
    let job = format!("{{\"milliseconds\": {milliseconds}}}");
    publish(main.memory(), "jobs", event("Job", &job)).await;
    running.await??;
    println!("ended well");
    Ok(())
}
