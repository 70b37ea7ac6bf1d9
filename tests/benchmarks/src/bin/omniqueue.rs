//! Omniqueue on its in-memory backend, as its README says: `send_serde_json`, and whoever consumes
//! receives, reads, and acknowledges in a loop of its own. Its queue has no bound.

use fanfare_benchmarks::{Contender, Heard, Sample, Task, contend};
use omniqueue::backends::InMemoryBackend;
use omniqueue::backends::in_memory::InMemoryProducer;

struct Queue {
    producer: InMemoryProducer,
}

impl Contender for Queue {
    async fn start(_task: &Task, heard: Heard) -> Self {
        let pair = InMemoryBackend::builder().build_pair().await;
        let (producer, mut consumer) = pair.expect("a queue");
        tokio::spawn(async move {
            loop {
                let delivery = consumer.receive().await.expect("a delivery");
                let sample = delivery.payload_serde_json::<Sample>().expect("JSON");
                let sample = sample.expect("a payload");
                heard.count(&sample, sample.time);
                delivery.ack().await.expect("acknowledged");
            }
        });
        Queue { producer }
    }

    async fn publish(&self, sample: Sample) {
        self.producer.send_serde_json(&sample).await.expect("sent");
    }
}

fn main() {
    contend::<Queue>();
}
