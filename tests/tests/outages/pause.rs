//! A broker that stands still for a minute, and keeps its connections: a machine that swaps, a
//! virtual one that is moved.

use std::panic::resume_unwind;
use std::sync::{LazyLock, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fanfare_tests::brokers::{Broker, Kafka, Nats, RabbitMq};
use tokio::time::{sleep, timeout};

use super::{HASTE, Service};

/// Lets the broker stand still for a minute, and something happen meanwhile. It is a minute of the
/// real clock, for the broker's clock is real: longer than most have patience for by themselves
/// (heartbeats, sessions, requests), so that each of these ends, and its end is survived.
async fn for_a_minute<T>(broker: &impl Broker, meanwhile: impl Future<Output = T>) -> T {
    const MINUTE: Duration = Duration::from_mins(1);
    broker.pause();
    let (came, ()) = tokio::join!(timeout(MINUTE, meanwhile), sleep(MINUTE));
    broker.resume();
    came.expect("within the minute")
}

/// Meanwhile it says that it is ill, publishing fails or waits as it was told to, and afterwards
/// everything goes on by itself, with nothing lost.
#[tokio::main]
async fn survives(broker: &impl Broker, url: &str) {
    let service = Service::start(url).await;
    let meanwhile = async {
        let error = service.hasty.fails().await;
        let late = format!("within {HASTE:?}");
        assert!(error.contains(&late), "{error}");
        service.is_ill().await;
    };
    for_a_minute(broker, meanwhile).await;
    let [hasty, patient] = service.recovers().await;
    assert!(hasty.len() > 1, "{hasty:?}");
    assert!(patient.is_empty(), "{patient:?}");
}

/// The brokers stand still in one and the same minute, also where few tests run at a time: the first
/// test begins all of them.
static BROKERS: LazyLock<[Mutex<Option<JoinHandle<()>>>; 3]> = LazyLock::new(|| {
    let brokers: [fn(); 3] = [
        || {
            let kafka = Kafka::start();
            let url = format!("kafka://{}", kafka.bootstrap());
            survives(&kafka, &url);
        },
        || {
            let nats = Nats::start();
            let url = nats.url();
            survives(&nats, &url);
        },
        || {
            let rabbitmq = RabbitMq::start();
            let url = rabbitmq.url();
            survives(&rabbitmq, &url);
        },
    ];
    brokers.map(|survives| Mutex::new(Some(thread::spawn(survives))))
});

fn is_survived(broker: usize) {
    let survives = BROKERS[broker].lock().expect("locked").take();
    if let Err(panic) = survives.expect("asked once").join() {
        resume_unwind(panic);
    }
}

#[test]
fn kafka_that_stands_still_for_a_minute_is_missed_and_loses_nothing() {
    is_survived(0);
}

#[test]
fn nats_that_stands_still_for_a_minute_is_missed_and_loses_nothing() {
    is_survived(1);
}

#[test]
fn rabbitmq_that_stands_still_for_a_minute_is_missed_and_loses_nothing() {
    is_survived(2);
}
