//! The floor: what cannot be done without. `--way json` writes and reads JSON, `--way channel` does
//! so on both sides of one bounded channel.

use fanfare_benchmarks::{Contender, Heard, Sample, Task, contend};
use tokio::sync::mpsc;

/// As many as wait in the channel.
const BOUND: usize = 1024;

enum Floor {
    Json(Heard),
    Channel(mpsc::Sender<Vec<u8>>),
}

impl Contender for Floor {
    async fn start(task: &Task, heard: Heard) -> Self {
        if task.way == "json" {
            return Floor::Json(heard);
        }
        let (sender, mut receiver) = mpsc::channel::<Vec<u8>>(BOUND);
        tokio::spawn(async move {
            while let Some(payload) = receiver.recv().await {
                handle(&payload, &heard);
            }
        });
        Floor::Channel(sender)
    }

    async fn publish(&self, sample: Sample) {
        let payload = serde_json::to_vec(&sample).expect("JSON");
        drop(sample);
        match self {
            Floor::Json(heard) => handle(&payload, heard),
            Floor::Channel(sender) => sender.send(payload).await.expect("open"),
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
