//! A service, and a broker that is away for a while, or has no room: it says so, loses nothing that
//! was confirmed, and goes on by itself.

mod disk;
mod pause;

use std::cmp::Ordering;
use std::time::Duration;

use fanfare::Running;
use fanfare::prelude::*;
use fanfare::streamers::AnyStreamer;
use fanfare_tests::in_time;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

/// After what time the hasty one fails; the patient one waits longer than any outage.
const HASTE: Duration = Duration::from_secs(5);

#[derive(Streamers)]
struct Streamers {
    #[streamer(topics("hasty"))]
    hasty: AnyStreamer,
    #[streamer(topics("patient"))]
    patient: AnyStreamer,
}

#[event(stream_to = streamer!("hasty", "hasty"), key = key)]
struct Hasty {
    key: u8,
    number: u64,
}

#[event(stream_to = streamer!("patient", "patient"), key = key)]
struct Patient {
    key: u8,
    number: u64,
}

#[event_handler(streamed_from = streamer!("hasty", "hasty"))]
async fn hear_hasty(Hasty { number, .. }: Hasty, State(handled): State<Both>) -> Result<()> {
    handled.hasty.send_modify(|handled| handled.note(number));
    Ok(())
}

#[event_handler(streamed_from = streamer!("patient", "patient"))]
async fn hear_patient(patient: Patient, State(handled): State<Both>) -> Result<()> {
    let number = patient.number;
    handled.patient.send_modify(|handled| handled.note(number));
    Ok(())
}

/// What was handled.
#[derive(Clone, Debug, Default)]
struct Both {
    hasty: watch::Sender<Handled>,
    patient: watch::Sender<Handled>,
}

/// How many numbers were handled, and those that came before an earlier one.
#[derive(Debug, Default)]
struct Handled {
    handled: u64,
    too_early: Vec<u64>,
}

impl Handled {
    fn note(&mut self, number: u64) {
        match number.cmp(&self.handled) {
            // Once more.
            Ordering::Less => {}
            Ordering::Equal => self.handled += 1,
            Ordering::Greater => self.too_early.push(number),
        }
    }
}

/// A service that publishes number after number in two ways, and handles them.
struct Service {
    running: Running,
    hasty: Line,
    patient: Line,
}

/// One way of publishing.
struct Line {
    published: watch::Sender<Published>,
    handled: watch::Sender<Handled>,
    end: CancellationToken,
    task: JoinHandle<()>,
}

/// How many numbers are confirmed, and what went wrong before.
#[derive(Debug, Default)]
struct Published {
    confirmed: u64,
    errors: Vec<String>,
}

impl Service {
    /// Starts it, and sees that it works.
    async fn start(url: &str) -> Service {
        let streamer = |timeout: Duration| {
            let seconds = timeout.as_secs();
            let url = format!("{url}?create_topics=true&publish_timeout={seconds}s");
            AnyStreamer::from_url(&url).expect("a URL")
        };
        let streamers = Streamers {
            hasty: streamer(HASTE),
            patient: streamer(Duration::from_mins(5)),
        };
        let handled = Both::default();
        let app = App::new("clock").streamers(streamers);
        let running = app.state(handled.clone()).start().await.expect("started");
        let service = Service {
            hasty: Line::begin(running.publisher(), handled.hasty, |number| Hasty {
                key: 0,
                number,
            }),
            patient: Line::begin(running.publisher(), handled.patient, |number| Patient {
                key: 0,
                number,
            }),
            running,
        };
        service.works().await;
        service
    }

    /// That what is published from now on is confirmed and handled, on either way.
    async fn works(&self) {
        for line in [&self.hasty, &self.patient] {
            line.works().await;
        }
    }

    /// What is wrong with its streamers.
    fn problems(&self) -> Vec<String> {
        let health = self.running.health().into_iter();
        health
            .filter_map(|of| Some(of.problem?.to_string()))
            .collect()
    }

    /// Waits until a streamer says that something is wrong: what.
    async fn is_ill(&self) -> String {
        let mut glance = interval(Duration::from_millis(20));
        let ill = async {
            loop {
                if let Some(problem) = self.problems().pop() {
                    return problem;
                }
                glance.tick().await;
            }
        };
        in_time("it says that it is ill", ill).await
    }

    /// That it has come back by itself and lost nothing. What went wrong on either way.
    async fn recovers(self) -> [Vec<String>; 2] {
        self.works().await;
        let mut glance = interval(Duration::from_millis(20));
        let well = async {
            while !self.problems().is_empty() {
                glance.tick().await;
            }
        };
        in_time("it says that it is well", well).await;
        let errors = [self.hasty.end().await, self.patient.end().await];
        self.running.shutdown().await.expect("shut down");
        errors
    }
}

impl Line {
    fn begin<E: Event>(
        publisher: Publisher,
        handled: watch::Sender<Handled>,
        event: fn(u64) -> E,
    ) -> Line {
        let published = watch::Sender::new(Published::default());
        let end = CancellationToken::new();
        let (telling, ended) = (published.clone(), end.clone());
        let task = tokio::spawn(async move {
            // As fast as it goes, it would fill the disk.
            let mut pace = interval(Duration::from_millis(20));
            let mut number = 0;
            while !ended.is_cancelled() {
                pace.tick().await;
                match publisher.publish(event(number)).await {
                    Ok(_) => {
                        number += 1;
                        telling.send_modify(|published| published.confirmed = number);
                    }
                    // The same one again, as nobody knows what became of it.
                    Err(error) => {
                        telling.send_modify(|published| published.errors.push(error.to_string()));
                    }
                }
            }
        });
        Line {
            published,
            handled,
            end,
            task,
        }
    }

    /// Waits until so many are confirmed and handled.
    async fn is_at(&self, number: u64) {
        let (mut published, mut handled) = (self.published.subscribe(), self.handled.subscribe());
        let confirmed = published.wait_for(|published| published.confirmed >= number);
        in_time("confirmed", confirmed).await.expect("a publisher");
        let all = handled.wait_for(|handled| handled.handled >= number);
        in_time("handled", all).await.expect("a handler");
    }

    async fn works(&self) {
        let confirmed = self.published.borrow().confirmed;
        self.is_at(confirmed + 20).await;
    }

    /// Waits until publishing fails: why.
    async fn fails(&self) -> String {
        let mut published = self.published.subscribe();
        let before = published.borrow().errors.len();
        let failed = published.wait_for(|published| published.errors.len() > before);
        let failed = in_time("an error", failed).await.expect("a publisher");
        failed.errors[before].clone()
    }

    /// Publishes no more. All that was confirmed is handled, and each for the first time in its
    /// order. What went wrong.
    async fn end(mut self) -> Vec<String> {
        self.end.cancel();
        (&mut self.task).await.expect("ended");
        let confirmed = self.published.borrow().confirmed;
        self.is_at(confirmed).await;
        let too_early = &self.handled.borrow().too_early;
        assert!(too_early.is_empty(), "out of order: {too_early:?}");
        self.published.borrow().errors.clone()
    }
}
