//! What is committed while a group shares out anew.

use std::sync::Arc;
use std::time::Duration;

use fanfare_tests::brokers::Kafka as Server;
use fanfare_tests::{in_time, publish};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::task::spawn_blocking;

use super::{connected, keyed, next, subscribed, topic};

const ANSWER: Duration = Duration::from_secs(20);

/// A member by Kafka's own client. As long as nobody polls it, it lives, and keeps a group that
/// shares out anew from coming to an end with it.
fn member(server: &Server, topic: &str) -> BaseConsumer {
    let member: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", server.bootstrap())
        .set("group.id", topic)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("heartbeat.interval.ms", "100")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a client");
    member.subscribe(&[topic]).expect("subscribed");
    member
}

/// Waits until the group is in this state, with so many members.
async fn is(state: &'static str, members: usize, asks: &Arc<BaseConsumer>, group: &str) {
    let (asks, group) = (Arc::clone(asks), group.to_owned());
    let asking = spawn_blocking(move || {
        loop {
            let groups = asks.fetch_group_list(Some(&group), ANSWER);
            let groups = groups.expect("an answer");
            let group = &groups.groups()[0];
            if group.state() == state && group.members().len() == members {
                return;
            }
        }
    });
    in_time(state, asking).await.expect("asked");
}

#[tokio::test]
async fn what_was_acknowledged_while_the_group_shared_out_anew_is_committed_afterwards() {
    const ALL: i64 = 300;
    let server = Server::shared();
    let topic = topic(server, 1).await;
    let kafka = connected(server).await;
    let mut deliveries = subscribed(&kafka, &topic, &topic).await;
    // The partition is ours before another one comes, or it might be given that.
    publish(&kafka, &topic, keyed("key", "event")).await;
    next(&mut deliveries).await.acknowledge();
    let holds = Arc::new(member(server, &topic));
    is("Stable", 2, &holds, &topic).await;
    // The group does not come to an end with it before the other one is polled.
    let comes = member(server, &topic);
    is("PreparingRebalance", 3, &holds, &topic).await;
    for _ in 1..ALL {
        publish(&kafka, &topic, keyed("key", "event")).await;
        next(&mut deliveries).await.acknowledge();
    }
    // By the last of these, which nobody takes, the commits are under way.
    for _ in 0..ALL {
        publish(&kafka, &topic, keyed("key", "later")).await;
    }
    let committed = spawn_blocking(move || {
        let mut partition = TopicPartitionList::new();
        partition.add_partition(&topic, 0);
        loop {
            for member in [&*holds, &comes] {
                let polled = member.poll(Duration::from_millis(10));
                assert!(polled.is_none(), "the partition stays where it is");
            }
            let committed = holds.committed_offsets(partition.clone(), ANSWER);
            let committed = committed.expect("an answer");
            if committed.elements()[0].offset() == Offset::Offset(ALL) {
                return;
            }
        }
    });
    in_time("committed", committed).await.expect("asked");
}
