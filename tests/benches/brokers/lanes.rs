//! Handlers by hand: many at a time, and one after the other where the key is the same.

use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::IN_FLIGHT;
use super::heard::Heard;
use super::sample::Sample;

/// As many as may be in flight, each a task; `D` is what settles an event.
pub(super) struct Lanes<D> {
    keys: Vec<mpsc::Sender<(Sample, D)>>,
    tasks: JoinSet<()>,
    room: Arc<Semaphore>,
}

impl<D: Send + 'static> Lanes<D> {
    /// Each handler counts the event, and settles it.
    pub(super) fn new<S>(heard: &Heard, settle: impl Fn(D) -> S + Clone + Send + 'static) -> Self
    where
        S: Future<Output = ()> + Send,
    {
        let room = Arc::new(Semaphore::new(IN_FLIGHT.into()));
        let mut tasks = JoinSet::new();
        let lanes = (0..IN_FLIGHT).map(|_| {
            let (lane, mut events) = mpsc::channel::<(Sample, D)>(IN_FLIGHT.into());
            let (heard, room, settle) = (heard.clone(), Arc::clone(&room), settle.clone());
            tasks.spawn(async move {
                while let Some((sample, done)) = events.recv().await {
                    heard.count(&sample);
                    settle(done).await;
                    room.add_permits(1);
                }
            });
            lane
        });
        Lanes {
            keys: lanes.collect(),
            tasks,
            room,
        }
    }

    /// Gives an event to the lane of its key, when there is room.
    pub(super) async fn hand(&self, sample: Sample, done: D) {
        self.room.acquire().await.expect("open").forget();
        let mut key = DefaultHasher::new();
        sample.author.hash(&mut key);
        let lane = usize::try_from(key.finish() % u64::from(IN_FLIGHT)).expect("small");
        let sent = self.keys[lane].send((sample, done)).await;
        assert!(sent.is_ok(), "a lane has ended");
    }

    /// Waits for what was begun.
    pub(super) async fn end(self) {
        drop(self.keys);
        self.tasks.join_all().await;
    }
}
