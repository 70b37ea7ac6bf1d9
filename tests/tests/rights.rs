//! The right to work with a cursor, when it is lost.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use fanfare::prelude::*;
use fanfare::store::{Entry, MemoryStore, Ownership, Start, Store};
use fanfare::streamer::{Outgoing, Publish, Streamer};
use fanfare::{Error, Running};
use fanfare_tests::{Around, Heard, Tell, Watch, channel, event};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

#[derive(Streamers)]
struct Streamers {
    out: Out,
}

#[event(stream_to = streamer!("out", "posts"), key = key)]
struct Posted {
    key: u32,
    number: u32,
}

/// What is heard: by whom, and the number.
type Said = (&'static str, u32);

/// What the handlers wait for.
#[derive(Clone)]
struct Gate(Arc<Semaphore>);

#[event_handler(in_flight = 1)]
async fn one(post: Posted, State(gate): State<Gate>, State(tell): State<Tell<Said>>) -> Result<()> {
    tell.tell(("one", post.number));
    gate.0.acquire().await?.forget();
    Ok(())
}

#[event_handler(in_flight = 8)]
async fn some(
    post: Posted,
    State(gate): State<Gate>,
    State(tell): State<Tell<Said>>,
) -> Result<()> {
    tell.tell(("some", post.number));
    gate.0.acquire().await?.forget();
    Ok(())
}

/// Never gets over key 13.
#[event_handler(in_flight = 2, retry(backoff = "1h..1h"))]
async fn unlucky(post: Posted, State(tell): State<Tell<Said>>) -> Result<()> {
    tell.tell(("unlucky", post.number));
    if post.key == 13 {
        return Err(Error::msg("unlucky"));
    }
    Ok(())
}

/// Panics at the first publish, and tells of the others.
struct Out {
    has_panicked: AtomicBool,
    tell: Tell<Said>,
}

impl Streamer for Out {}

impl Publish for Out {
    async fn publish(&self, _topic: &str, batch: &mut [Outgoing]) {
        assert!(self.has_panicked.swap(true, Ordering::Relaxed), "no paper");
        for outgoing in batch {
            let json = serde_json::from_slice(outgoing.message().payload());
            let post: Posted = json.expect("a post");
            self.tell.tell(("out", post.number));
            outgoing.report(Ok(()));
        }
    }
}

/// Takes rights away, and may keep them.
struct Taker {
    rights: Mutex<HashMap<String, CancellationToken>>,
    keeps: AtomicBool,
    /// Told who asks for a right that is kept.
    asked: UnboundedSender<String>,
}

impl Watch for Taker {
    fn may_own(&self, cursor: &str) -> bool {
        let keeps = self.keeps.load(Ordering::Relaxed);
        if keeps {
            // A test that has ended needs no more.
            let _ = self.asked.send(cursor.to_owned());
        }
        !keeps
    }

    fn owned(&self, cursor: &str, right: Ownership) -> Ownership {
        let lost = CancellationToken::new();
        let mut rights = self.rights.lock().expect("no panic");
        rights.insert(cursor.to_owned(), lost.clone());
        Ownership::new(right, lost)
    }
}

impl Taker {
    /// Takes a right away, and keeps all of them if so said.
    fn take(&self, cursor: &str, keeps: bool) {
        self.keeps.store(keeps, Ordering::Relaxed);
        self.rights.lock().expect("no panic")[cursor].cancel();
    }
}

struct Blog {
    store: Around<MemoryStore, Taker>,
    gate: Gate,
    said: Heard<Said>,
    asked: UnboundedReceiver<String>,
    running: Running,
}

async fn blog() -> Blog {
    let (asks, asked) = unbounded_channel();
    let taker = Taker {
        rights: Mutex::default(),
        keeps: AtomicBool::new(false),
        asked: asks,
    };
    let store = Around::new(MemoryStore::new(), taker);
    let (tell, said) = channel();
    let gate = Gate(Arc::new(Semaphore::new(0)));
    let out = Out {
        has_panicked: AtomicBool::new(false),
        tell: tell.clone(),
    };
    let app = App::new("blog").streamers(Streamers { out });
    let app = app.state(gate.clone()).state(tell).store(store.clone());
    Blog {
        running: app.start().await.expect("started"),
        store,
        gate,
        said,
        asked,
    }
}

impl Blog {
    async fn post(&self, key: u32, number: u32) {
        let publisher = self.running.publisher();
        let posted = publisher.publish(Posted { key, number }).await;
        posted.expect("stored");
    }

    async fn hears(&mut self, who: &str) -> u32 {
        loop {
            let (name, number) = self.said.next().await;
            if name == who {
                return number;
            }
        }
    }

    /// Until a right is asked for that is kept.
    async fn asks(&mut self, cursor: &str) {
        while self.asked.recv().await.expect("asked") != cursor {}
    }
}

#[tokio::test]
async fn a_handler_that_was_busy_when_its_right_was_lost_goes_on_when_it_has_it_again() {
    let mut blog = blog().await;
    for number in 1..=3 {
        blog.post(1, number).await;
    }
    assert_eq!(blog.hears("one").await, 1);
    blog.store.watch().take("blog.one", false);
    blog.gate.0.add_permits(1000);
    while blog.hears("one").await != 3 {}
}

#[tokio::test]
async fn nothing_is_begun_when_the_right_is_lost() {
    let mut blog = blog().await;
    for number in 1..=3 {
        blog.post(1, number).await;
    }
    assert_eq!(blog.hears("some").await, 1);
    blog.store.watch().take("blog.some", true);
    blog.gate.0.add_permits(1000);
    // It asks when nothing is in its hands any more.
    blog.asks("blog.some").await;
    let rest = blog.said.rest();
    assert!(rest.iter().all(|(who, _)| *who != "some"), "{rest:?}");
}

#[tokio::test]
async fn a_pause_before_another_attempt_ends_when_the_right_is_lost() {
    let mut blog = blog().await;
    blog.post(13, 1).await;
    assert_eq!(blog.hears("unlucky").await, 1);
    blog.store.watch().take("blog.unlucky", true);
    blog.asks("blog.unlucky").await;
}

#[tokio::test]
async fn an_event_that_pauses_holds_no_other_key_up() {
    let mut blog = blog().await;
    blog.post(13, 1).await;
    for number in 2..=20 {
        blog.post(100 + number, number).await;
    }
    while blog.hears("unlucky").await != 20 {}
}

#[tokio::test]
async fn a_relay_goes_on_when_its_streamer_has_panicked() {
    let mut blog = blog().await;
    blog.post(1, 1).await;
    assert_eq!(blog.hears("out").await, 1);
}

#[tokio::test]
async fn what_only_another_version_of_the_program_streams_is_left_to_it() {
    let mut blog = blog().await;
    let later = "blog:out/posts:Later";
    let made = blog.store.cursor(later, Start::Beginning).await;
    assert_eq!(made.expect("made"), 0);
    let entry = Entry {
        events: vec![event("Later", "{}")],
        mark: None,
    };
    blog.store.append(&entry).await.expect("stored");
    blog.post(1, 1).await;
    assert_eq!(blog.hears("out").await, 1);
    blog.gate.0.add_permits(1000);
    blog.running.shutdown().await.expect("shut down");
    let cursor = async |name: &str| blog.store.cursor(name, Start::Now).await;
    assert_eq!(cursor("blog:out/posts:Posted").await.expect("read"), 2);
    assert_eq!(cursor(later).await.expect("read"), 0);
}
