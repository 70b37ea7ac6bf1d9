//! The floor: what cannot be done without. `--way json` writes and reads JSON, `--way channel` does
//! so on both sides of one bounded channel. `--way promises` does by hand, and no more, what fanfare's
//! promises ask for on that channel: an id and a time for each event, what is not acknowledged kept, and
//! a handler that may wait and may panic.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use fanfare_benchmarks::{Contender, Heard, Sample, Task, contend};
use futures_util::FutureExt;
use tokio::sync::mpsc;
use uuid::Uuid;

/// As many as wait in the channel.
const BOUND: usize = 1024;

enum Floor {
    Json(Heard),
    Channel(mpsc::Sender<Vec<u8>>),
    Promises(mpsc::Sender<Arc<Envelope>>, Arc<Kept>),
}

struct Envelope {
    _id: Uuid,
    _time: SystemTime,
    payload: Vec<u8>,
}

/// What is not acknowledged, in its order.
#[derive(Default)]
struct Kept(Mutex<VecDeque<Arc<Envelope>>>);

impl Contender for Floor {
    async fn start(task: &Task, heard: Heard) -> Self {
        match task.way.as_str() {
            "json" => Floor::Json(heard),
            "promises" => promises(heard),
            _ => channel(heard),
        }
    }

    async fn publish(&self, sample: Sample) {
        let payload = serde_json::to_vec(&sample).expect("JSON");
        drop(sample);
        match self {
            Floor::Json(heard) => handle(&payload, heard),
            Floor::Channel(sender) => sender.send(payload).await.expect("open"),
            Floor::Promises(sender, kept) => {
                let envelope = Arc::new(Envelope {
                    _id: Uuid::now_v7(),
                    _time: SystemTime::now(),
                    payload,
                });
                kept.keep(Arc::clone(&envelope));
                sender.send(envelope).await.expect("open");
            }
        }
    }
}

fn channel(heard: Heard) -> Floor {
    let (sender, mut receiver) = mpsc::channel::<Vec<u8>>(BOUND);
    tokio::spawn(async move {
        while let Some(payload) = receiver.recv().await {
            handle(&payload, &heard);
        }
    });
    Floor::Channel(sender)
}

fn promises(heard: Heard) -> Floor {
    let kept = Arc::new(Kept::default());
    let (sender, mut receiver) = mpsc::channel::<Arc<Envelope>>(BOUND);
    let acknowledged = Arc::clone(&kept);
    tokio::spawn(async move {
        while let Some(envelope) = receiver.recv().await {
            let sample = serde_json::from_slice::<Sample>(&envelope.payload).expect("JSON");
            let heard = heard.clone();
            let handler: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
                heard.count(&sample, sample.time);
            });
            if AssertUnwindSafe(handler).catch_unwind().await.is_ok() {
                acknowledged.acknowledge(&envelope);
            }
        }
    });
    Floor::Promises(sender, kept)
}

impl Kept {
    fn keep(&self, envelope: Arc<Envelope>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back(envelope);
    }

    fn acknowledge(&self, envelope: &Arc<Envelope>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = kept.iter().position(|other| Arc::ptr_eq(other, envelope)) {
            kept.remove(at);
        }
    }
}

fn handle(payload: &[u8], heard: &Heard) {
    let sample: Sample = serde_json::from_slice(payload).expect("JSON");
    heard.count(&sample, sample.time);
}

fn main() {
    contend::<Floor>();
}
