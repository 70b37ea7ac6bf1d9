use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanfare::event::Message;
use fanfare::streamer::{Deliveries, Delivery};
use fanfare::streamers::Memory;
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::{count, keyed, publish, shared, subscribe, text};

const KEYS: usize = 50;
const PUBLISHERS: usize = 8;
const EACH: usize = 2000;
const ALL: usize = PUBLISHERS * EACH;

/// What was acknowledged in a group, key by key.
struct Handled {
    by_key: Mutex<BTreeMap<String, Vec<String>>>,
    count: watch::Sender<usize>,
}

impl Handled {
    fn new() -> Arc<Self> {
        Arc::new(Handled {
            by_key: Mutex::default(),
            count: watch::Sender::new(0),
        })
    }

    fn handle(&self, delivery: Delivery) {
        let key = delivery.message().key().expect("a key").to_vec();
        let key = String::from_utf8(key).expect("text");
        let mut by_key = self.by_key.lock().expect("no panic");
        by_key.entry(key).or_default().push(text(&delivery));
        drop(by_key);
        delivery.acknowledge();
        self.count.send_modify(|count| *count += 1);
    }

    async fn all(&self) {
        let mut count = self.count.subscribe();
        let wait = count.wait_for(|count| *count >= ALL);
        let waited = tokio::time::timeout(Duration::from_mins(1), wait).await;
        waited.expect("not stuck").expect("handlers at work");
    }

    /// Each publisher has keys of its own, so the order of each key is known.
    fn check(&self) {
        let by_key = self.by_key.lock().expect("no panic");
        assert_eq!(by_key.len(), PUBLISHERS * KEYS);
        for (key, texts) in &*by_key {
            let expected = (0..EACH / KEYS).map(|n| format!("{key}/{n}"));
            assert!(expected.eq(texts.iter().cloned()), "{key}: {texts:?}");
        }
    }
}

fn message(publisher: usize, n: usize) -> Message {
    let key = format!("{publisher}/{}", n % KEYS);
    keyed(&key, &format!("{key}/{}", n / KEYS))
}

fn publishers(memory: &Memory) -> JoinSet<()> {
    let mut publishers = JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let memory = memory.clone();
        publishers.spawn(async move {
            let mut n = 0;
            while n < EACH {
                let size = 1 + (n + publisher) % 7;
                let batch = n..(n + size).min(EACH);
                publish(&memory, batch.map(|n| message(publisher, n))).await;
                n += size;
            }
        });
    }
    publishers
}

/// Handles one after another, and lets some come a second time first.
async fn handle_all(mut deliveries: Deliveries, handled: Arc<Handled>) {
    let mut count = 0;
    while let Some(delivery) = deliveries.next().await {
        let delivery = delivery.expect("a delivery");
        count += 1;
        if count % 13 == 0 {
            delivery.release(Duration::ZERO);
        } else {
            handled.handle(delivery);
        }
    }
}

async fn none_is_missing_and_none_extra(memory: Memory) {
    let mut handlers = JoinSet::new();
    let groups: Vec<_> = (0..3).map(|_| Handled::new()).collect();
    for (group, handled) in groups.iter().enumerate() {
        for _ in 0..3 {
            let deliveries = subscribe(&memory, shared(&group.to_string()), 1).await;
            handlers.spawn(handle_all(deliveries, Arc::clone(handled)));
        }
    }
    let publishers = publishers(&memory);
    publishers.join_all().await;
    for handled in groups {
        handled.all().await;
        handled.check();
    }
    handlers.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn none_is_missing_and_none_extra_with_room_for_one_event_only() {
    none_is_missing_and_none_extra(Memory::new().with_capacity(count(1))).await;
}

#[tokio::test]
async fn nor_with_little_room_on_one_thread() {
    none_is_missing_and_none_extra(Memory::new().with_capacity(count(10))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nor_while_subscribers_come_and_go() {
    let memory = Memory::new().with_capacity(count(64));
    let handled = Handled::new();
    // One stays, so that publishing does not fail while the others change.
    let stays = subscribe(&memory, shared("group"), 1).await;
    let stays = tokio::spawn(handle_all(stays, Arc::clone(&handled)));
    let mut comers = JoinSet::new();
    for _ in 0..4 {
        let (memory, handled) = (memory.clone(), Arc::clone(&handled));
        comers.spawn(async move {
            loop {
                let mut deliveries = subscribe(&memory, shared("group"), 5).await;
                for n in 0..20 {
                    let delivery = deliveries.next().await.expect("not ended");
                    let delivery = delivery.expect("a delivery");
                    if n % 5 > 0 {
                        handled.handle(delivery);
                    }
                }
                tokio::task::yield_now().await;
            }
        });
    }
    publishers(&memory).join_all().await;
    handled.all().await;
    handled.check();
    comers.shutdown().await;
    stays.abort();
}
