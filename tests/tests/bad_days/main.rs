//! Bad days of a store: its disk is full, its file is read-only, locked or damaged, its server is
//! gone. A clear error, nothing acknowledged that is not safe, and no help where none is needed.

mod postgres;
mod processes;
mod sqlite;

use std::collections::BTreeSet;
use std::fmt::Display;

use fanfare::event::Message;
use fanfare::prelude::*;
use fanfare::store::{Query, Store, Which};
use fanfare::{PublishError, Running};
use fanfare_tests::{Ear, Heard, Log, Spy, Tell, channel, in_time, listen};

#[derive(Streamers)]
struct Streamers {
    main: Spy,
}

#[event(stream_to = streamer!("main", "notes"))]
struct Noted {
    number: u64,
    text: String,
}

#[event_handler(from = beginning)]
async fn take(noted: Noted, State(tell): State<Tell<u64>>) -> Result<()> {
    tell.tell(noted.number);
    Ok(())
}

/// A service with a store that has a bad day.
struct Service {
    running: Running,
    log: Log,
    taken: Heard<u64>,
    streamed: Ear,
    /// What was streamed and handled so far.
    came: BTreeSet<u64>,
}

impl Service {
    async fn start(store: impl Store) -> Service {
        let log = Log::listen();
        let (tell, taken) = channel();
        let main = Spy::default();
        let streamed = listen(main.memory(), "notes").await;
        let app = App::new("diary").streamers(Streamers { main }).state(tell);
        Service {
            running: app.store(store).start().await.expect("started"),
            log,
            taken,
            streamed,
            came: BTreeSet::new(),
        }
    }

    async fn publish(&self, number: u64, length: usize) -> Result<(), PublishError> {
        let text = "x".repeat(length);
        let publisher = self.running.publisher();
        publisher.publish(Noted { number, text }).await.map(drop)
    }

    /// That these numbers are streamed and handled next. What came before may come again.
    async fn comes(&mut self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            let mut taken = self.taken.next().await;
            while taken != number && self.came.contains(&taken) {
                taken = self.taken.next().await;
            }
            assert_eq!(taken, number, "handled");
            let mut streamed = of(&self.streamed.next().await);
            while streamed != number && self.came.contains(&streamed) {
                streamed = of(&self.streamed.next().await);
            }
            assert_eq!(streamed, number, "streamed");
            self.came.insert(number);
        }
    }

    /// Ends it; nothing else has come.
    async fn end(mut self) {
        self.running.shutdown().await.expect("shut down");
        let streamed = self.streamed.rest();
        let rest = self.taken.rest().into_iter().chain(streamed.iter().map(of));
        let more: Vec<_> = rest.filter(|number| !self.came.contains(number)).collect();
        assert!(more.is_empty(), "{more:?}");
    }
}

/// The number in a note.
fn of(message: &Message) -> u64 {
    let noted: Noted = serde_json::from_slice(message.payload()).expect("a note");
    noted.number
}

/// The numbers in the log.
async fn stored(store: &impl Store) -> Vec<u64> {
    let query = Query {
        after: 0,
        of: Which::All,
        max: usize::MAX,
    };
    let page = store.read(&query).await.expect("read");
    let number = |payload: &[u8]| {
        let json: serde_json::Value = serde_json::from_slice(payload).expect("JSON");
        json["number"].as_u64().or(json.as_u64()).expect("a number")
    };
    let events = page.events.iter();
    events.map(|(_, event)| number(event.payload())).collect()
}

/// That it failed, and said so.
fn assert_says<T>(result: Result<T, impl Display>, words: &[&str]) {
    let error = result.err().expect("refused").to_string();
    for said in words {
        assert!(error.contains(said), "{error}");
    }
}

/// Asks until it is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    in_time(what, asking).await;
}
