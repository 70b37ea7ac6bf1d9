//! A broker without room on its disk.

use std::sync::Arc;

use async_nats::jetstream;
use fanfare_tests::brokers::{Broker, Kafka, Nats, Options, RabbitMq};
use tokio::task::spawn_blocking;

use super::{HASTE, Service};

/// The broker ends by itself, since it has nowhere to write, and is started again when there is
/// room.
#[tokio::test(flavor = "multi_thread")]
async fn kafka_whose_disk_is_full_loses_nothing_and_is_used_again_when_it_is_back() {
    let kafka = spawn_blocking(Kafka::start).await.expect("started");
    let kafka = Arc::new(kafka);
    let service = Service::start(&format!("kafka://{}", kafka.bootstrap())).await;
    let full = Arc::clone(&kafka);
    let ended = spawn_blocking(move || {
        full.servers()[0].limit_files(1);
        full.servers()[0].wait()
    });
    let ended = ended.await.expect("ended");
    assert_eq!(ended.code(), Some(1), "by itself");
    let error = service.hasty.fails().await;
    assert!(error.contains(&format!("within {HASTE:?}")), "{error}");
    let ill = service.is_ill().await;
    assert!(ill.contains("no broker is reached"), "{ill}");
    let back = Arc::clone(&kafka);
    let back = spawn_blocking(move || back.restart());
    back.await.expect("restarted");
    let [_, patient] = service.recovers().await;
    assert!(patient.is_empty(), "{patient:?}");
}

/// It refuses at once what it has no room for, whatever patience there is, and says why.
#[tokio::test(flavor = "multi_thread")]
async fn nats_without_room_says_so_and_goes_on_when_there_is_some() {
    let options = Options {
        jetstream: "max_file_store: 8MB",
        ..Options::default()
    };
    let nats = spawn_blocking(move || Nats::start_with(&options)).await;
    let nats = nats.expect("started");
    let service = Service::start(&nats.url()).await;
    let stranger = async_nats::connect(nats.url()).await.expect("connected");
    let jetstream = jetstream::new(stranger);
    let greedy = jetstream::stream::Config {
        name: "greedy".to_owned(),
        ..Default::default()
    };
    jetstream.create_stream(greedy).await.expect("a stream");
    let much = bytes::Bytes::from(vec![0; 512 << 10]);
    while let Ok(stored) = jetstream.publish("greedy", much.clone()).await
        && stored.await.is_ok()
    {}
    for line in [&service.hasty, &service.patient] {
        let error = line.fails().await;
        assert!(error.contains("insufficient resources"), "{error}");
    }
    let removed = jetstream.delete_stream("greedy").await;
    removed.expect("removed");
    service.recovers().await;
}

/// It takes nothing, so that what is published waits.
#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_whose_disk_is_full_makes_publishers_wait_until_there_is_room() {
    let rabbitmq = spawn_blocking(RabbitMq::start).await.expect("started");
    let service = Service::start(&rabbitmq.url()).await;
    rabbitmq.fill_disk(true);
    let error = service.hasty.fails().await;
    assert!(error.contains("takes no events at present"), "{error}");
    assert!(error.contains("disk"), "{error}");
    let ill = service.is_ill().await;
    assert!(ill.contains("disk"), "{ill}");
    rabbitmq.fill_disk(false);
    let [_, patient] = service.recovers().await;
    assert!(patient.is_empty(), "{patient:?}");
}
