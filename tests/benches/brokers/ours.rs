//! fanfare's side.

use fanfare::Running;
use fanfare::prelude::*;
use fanfare::streamers::AnyStreamer;

use super::heard::Heard;
use super::sample::Sample;

#[derive(Streamers)]
struct Streamers {
    #[streamer(topics("announced", "heard"))]
    broker: AnyStreamer,
}

/// Heard by nobody.
#[event(stream_to = streamer!("broker", "announced"), key = author)]
struct Announced {
    author: String,
    sample: Sample,
}

/// Heard by one.
#[event(stream_to = streamer!("broker", "heard"), key = author)]
pub(super) struct Told {
    pub(super) author: String,
    pub(super) sample: Sample,
}

#[event_handler(streamed_from = streamer!("broker", "heard"), concurrency = 256, in_flight = 256)]
async fn hear(told: Told, State(heard): State<Heard>) -> Result<()> {
    heard.count(&told.sample);
    Ok(())
}

/// A service that runs.
pub(super) struct Service {
    pub(super) running: Running,
    pub(super) heard: Heard,
}

impl Service {
    pub(super) async fn start(url: &str) -> Service {
        let broker = AnyStreamer::from_url(url).expect("a streamer");
        let heard = Heard::default();
        let app = App::new("bench").streamers(Streamers { broker });
        let running = app.state(heard.clone()).start().await.expect("started");
        Service { running, heard }
    }

    pub(super) fn publisher(&self) -> Publisher {
        self.running.publisher()
    }

    pub(super) async fn end(self) {
        self.running.shutdown().await.expect("shut down");
    }
}

/// Publishes what nobody hears.
pub(super) async fn announce(publisher: &Publisher, sample: Sample) {
    let author = sample.author.clone();
    let announced = publisher.publish(Announced { author, sample });
    announced.await.expect("published");
}

/// Publishes what is heard.
pub(super) async fn tell(publisher: &Publisher, sample: Sample) {
    let author = sample.author.clone();
    let told = publisher.publish(Told { author, sample });
    told.await.expect("published");
}
