//! A broker that stands still for a minute, and keeps its connections: a machine that swaps, a
//! virtual one that is moved.

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::sync::{LazyLock, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fanfare::event::{Envelope, EventId};
use fanfare::streamer::Streamer;
use fanfare::streamers;
use fanfare_tests::brokers::{Broker, Kafka, Nats, RabbitMq};
use fanfare_tests::kafka::create_topic;
use fanfare_tests::{in_time, join, publish};
use futures_util::future::join_all;
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

/// How many clients there are of each kind: a few of them are left without a broker.
const MANY: usize = 20;

/// A Kafka that was not heard of says for a moment that there is no broker at all. Each client finds it
/// again all the same: its publisher, which waits, and its subscriber.
#[tokio::main]
async fn is_found_by_many(broker: &Kafka) {
    let bootstrap = broker.bootstrap();
    create_topic(&bootstrap, "many", 1).await;
    let client = async |number: usize| {
        let kafka = streamers::Kafka::new(&bootstrap).with_publish_timeout(Duration::from_mins(5));
        kafka.connect().await.expect("connected");
        let ear = join(&kafka, "many", &format!("{number}")).await;
        (kafka, ear)
    };
    let clients = join_all((0..MANY).map(client)).await;
    let event = |number: usize| {
        let event = Envelope::new(EventId::new(), "/tests", "tests.event").expect("an event");
        event.with_key(&number.to_string()).expect("a key")
    };
    let published = clients.iter().enumerate();
    let published = published.map(|(number, (kafka, _))| publish(kafka, "many", event(number)));
    let published = async { in_time("published", join_all(published)).await };
    tokio::join!(for_a_minute(broker, async {}), published);
    for (number, (_, mut ear)) in clients.into_iter().enumerate() {
        let mut missing: BTreeSet<_> = (0..MANY).map(|number| number.to_string()).collect();
        while !missing.is_empty() {
            let event = in_time(&format!("all of {number}"), ear.next_event()).await;
            missing.remove(event.key().expect("a key"));
        }
    }
}

/// The brokers stand still in one and the same minute, also where few tests run at a time: the first
/// test begins all of them.
static BROKERS: LazyLock<[Mutex<Option<JoinHandle<()>>>; 4]> = LazyLock::new(|| {
    let brokers: [fn(); 4] = [
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
        || is_found_by_many(&Kafka::start()),
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
fn kafka_that_stands_still_is_found_again_by_each_of_many_clients() {
    is_survived(3);
}

#[test]
fn nats_that_stands_still_for_a_minute_is_missed_and_loses_nothing() {
    is_survived(1);
}

#[test]
fn rabbitmq_that_stands_still_for_a_minute_is_missed_and_loses_nothing() {
    is_survived(2);
}
