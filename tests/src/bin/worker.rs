//! A service that takes its time over one job: `worker MILLISECONDS`; or over its start: `worker`.
//! The tests send it signals.

use std::time::Duration;

use fanfare::prelude::*;
use fanfare_tests::{Spy, event, publish};

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
    let milliseconds = std::env::args().nth(1);
    let main = match milliseconds {
        Some(_) => Spy::default(),
        None => Spy::default().hanging_subscribes(),
    };
    let streamers = Streamers { main: main.clone() };
    let running = tokio::spawn(App::new("shop").streamers(streamers).run());
    main.sees("subscribe jobs shop.work", 1).await;
    println!("subscribing");
    if let Some(milliseconds) = milliseconds {
        let job = format!("{{\"milliseconds\": {milliseconds}}}");
        publish(main.memory(), "jobs", event("Job", &job)).await;
    }
    running.await??;
    println!("ended well: {}", main.seen().join(", "));
    Ok(())
}
