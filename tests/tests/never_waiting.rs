//! A publisher for which there is always room.

use std::num::NonZeroUsize;

use fanfare::prelude::*;
use fanfare_tests::{Tell, channel};

#[derive(Streamers)]
struct Streamers {
    main: Memory,
}

#[event(stream_to = streamer!("main", "ticks"))]
struct Ticked {
    number: u32,
}

const TICKS: u32 = 100_000;

#[event_handler(streamed_from = streamer!("main", "ticks"))]
async fn hear(ticked: Ticked, State(tell): State<Tell<u32>>) -> Result<()> {
    tell.tell(ticked.number);
    Ok(())
}

#[tokio::test]
async fn a_publisher_that_never_waits_lets_the_handlers_run() {
    let room = NonZeroUsize::new(TICKS as usize).expect("not zero");
    let main = Memory::new().with_capacity(room);
    let (tell, mut heard) = channel::<u32>();
    let app = App::new("never-waiting").streamers(Streamers { main });
    let running = app.state(tell).start().await.expect("started");
    let publisher = running.publisher();
    let publishing = tokio::spawn(async move {
        for number in 0..TICKS {
            let published = publisher.publish(Ticked { number }).await;
            published.expect("published");
        }
    });
    assert_eq!(heard.next().await, 0);
    assert!(
        !publishing.is_finished(),
        "the handler came after all of it"
    );
    publishing.abort();
    running.shutdown().await.expect("shut down");
}
