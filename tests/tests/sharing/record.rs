//! What all instances have streamed and handled, as it happened.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanfare::streamer::{Outgoing, Publish, Streamer};
use fanfare_tests::in_time;
use tokio::sync::{Semaphore, watch};

/// Where something was done: a topic, or a handler.
pub(crate) type Place = String;

/// Instances that are held up at a place.
type Held = BTreeMap<(Place, u32), Arc<Semaphore>>;

/// What was done at each place, in order: the key and the number.
#[derive(Default)]
pub(crate) struct Done {
    at: BTreeMap<Place, Vec<(u32, u32)>>,
    /// What is being done, and by whom.
    busy: BTreeMap<(Place, Option<u32>), u32>,
    /// How many are.
    many: usize,
    /// What was done by two at once.
    at_once: Vec<Place>,
}

/// The record, in the hands of one instance.
#[derive(Clone)]
pub(crate) struct Record {
    done: Arc<watch::Sender<Done>>,
    /// How many of the next batches hang.
    hanging: Arc<AtomicUsize>,
    /// Where an instance is held up, until it is let pass.
    held: Arc<Mutex<Held>>,
    instance: u32,
}

impl Record {
    pub(crate) fn new() -> Self {
        Record {
            done: Arc::new(watch::Sender::new(Done::default())),
            hanging: Arc::default(),
            held: Arc::default(),
            instance: 0,
        }
    }

    pub(crate) fn of(&self, instance: u32) -> Self {
        Record {
            instance,
            ..self.clone()
        }
    }

    /// Holds an instance up at a place, with something half done.
    pub(crate) fn hold(&self, place: &str, instance: u32) {
        let at = (place.to_owned(), instance);
        self.held().insert(at, Arc::new(Semaphore::new(0)));
    }

    /// Lets it pass so often.
    pub(crate) fn let_pass(&self, place: &str, instance: u32, times: usize) {
        let at = (place.to_owned(), instance);
        self.held()[&at].add_permits(times);
    }

    pub(crate) async fn pass(&self, place: &str) {
        let at = (place.to_owned(), self.instance);
        let held = self.held().get(&at).cloned();
        if let Some(held) = held {
            held.acquire().await.expect("never closed").forget();
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the next so many batches hang for ever.
    pub(crate) fn hang(&self, batches: usize) {
        self.hanging.store(batches, Ordering::SeqCst);
    }

    /// Waits until so many are busy.
    pub(crate) async fn is_busy(&self, many: usize) {
        let mut done = self.done.subscribe();
        let busy = done.wait_for(|done| done.many == many);
        in_time("busy", busy).await.expect("a record");
    }

    /// Begins something at a place, or for one key of it: nobody else is to be busy there.
    pub(crate) fn begin(&self, place: &str, key: Option<u32>) -> Busy {
        let at = (place.to_owned(), key);
        self.done.send_modify(|done| {
            done.many += 1;
            if done.busy.insert(at.clone(), self.instance).is_some() {
                done.at_once.push(at.0.clone());
            }
        });
        Busy {
            record: self.clone(),
            at,
        }
    }

    pub(crate) fn note(&self, place: &str, key: u32, number: u32) {
        self.done.send_modify(|done| {
            let at = done.at.entry(place.to_owned()).or_default();
            at.push((key, number));
        });
    }

    /// Waits until so many different ones were done at each of these places.
    pub(crate) async fn has(&self, places: &[&str], many: usize) {
        let mut done = self.done.subscribe();
        let enough = |done: &Done| places.iter().all(|place| done.different(place) >= many);
        in_time("done", done.wait_for(enough))
            .await
            .expect("a record");
    }

    /// Whether each was done at this place, the first time in order by key, and never two at once;
    /// and how many were done again.
    pub(crate) fn repeated(&self, place: &str, numbers: u32, keys: u32) -> usize {
        let done = self.done.borrow();
        assert!(done.at_once.is_empty(), "two at once: {:?}", done.at_once);
        let all = &done.at[place];
        let mut seen = BTreeSet::new();
        let mut last = BTreeMap::new();
        for (key, number) in all {
            if seen.insert(*number) {
                let before = last.insert(key, number);
                assert!(
                    before < Some(number),
                    "{number} after {before:?} at {place}"
                );
            }
        }
        assert_eq!(last.len(), keys as usize, "at {place}");
        assert!(seen.iter().copied().eq(0..numbers), "at {place}");
        all.len() - seen.len()
    }
}

impl Done {
    fn different(&self, place: &str) -> usize {
        let at = self.at.get(place).into_iter().flatten();
        at.collect::<BTreeSet<_>>().len()
    }
}

/// Busy until it is dropped.
pub(crate) struct Busy {
    record: Record,
    at: (Place, Option<u32>),
}

impl Drop for Busy {
    fn drop(&mut self) {
        let Busy { record, at } = self;
        record.done.send_modify(|done| {
            done.many -= 1;
            if done.busy.get(at) == Some(&record.instance) {
                done.busy.remove(at);
            }
        });
    }
}

impl Streamer for Record {}

impl Publish for Record {
    async fn publish(&self, topic: &str, batch: &mut [Outgoing]) {
        let _busy = self.begin(topic, None);
        let fewer = |hanging: usize| hanging.checked_sub(1);
        let hangs = &self.hanging;
        if hangs
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer)
            .is_ok()
        {
            return pending().await;
        }
        for outgoing in batch {
            // Others run meanwhile.
            tokio::task::yield_now().await;
            let payload = outgoing.message().payload();
            let numbered: crate::Numbered = serde_json::from_slice(payload).expect("a number");
            self.note(topic, numbered.key, numbered.number);
            outgoing.report(Ok(()));
            self.pass(topic).await;
        }
    }
}
