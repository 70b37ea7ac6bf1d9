use std::pin::pin;

use arcstr::literal;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, poll};
use tokio::time::Instant;

use super::*;
use crate::event::Foreign;
use crate::streamer::{Delivery, Position};

const PATIENCE: Duration = Duration::from_secs(5);

fn inlet() -> Inlet {
    Inlet::new(literal!("inlet"))
}

fn open(inlet: &Inlet, max_in_flight: usize) -> Deliveries {
    inlet.open(NonZeroUsize::new(max_in_flight).expect("not zero"))
}

fn messages(texts: &[&'static str]) -> Vec<Message> {
    let foreign = |text: &&'static str| Foreign::new(Bytes::from_static(text.as_bytes()));
    texts.iter().map(foreign).map(Message::from).collect()
}

async fn push(inlet: &Inlet, texts: &[&'static str]) -> Receipt {
    let pushed = inlet.push(messages(texts), PATIENCE).await;
    pushed.expect("pushed")
}

fn ready(door: &mut Deliveries) -> Option<Delivery> {
    let next = door.next().now_or_never()?;
    Some(next.expect("not ended").expect("a delivery"))
}

fn all_ready(door: &mut Deliveries) -> Vec<Delivery> {
    std::iter::from_fn(|| ready(door)).collect()
}

fn texts(deliveries: &[Delivery]) -> Vec<&[u8]> {
    let payloads = deliveries
        .iter()
        .map(|delivery| delivery.message().payload());
    payloads.map(|payload| &payload[..]).collect()
}

#[tokio::test]
async fn every_message_goes_through_every_door_in_order() {
    let inlet = inlet();
    let mut doors = [open(&inlet, 5), open(&inlet, 3)];
    let _first = push(&inlet, &["a", "b"]).await;
    let _second = push(&inlet, &["c"]).await;
    for door in &mut doors {
        let deliveries = all_ready(door);
        assert_eq!(texts(&deliveries), [b"a", b"b", b"c"]);
        for (n, delivery) in (0..).zip(&deliveries) {
            assert_eq!(delivery.stream(), "inlet");
            assert_eq!(*delivery.position(), Position::Number(n));
        }
    }
}

#[tokio::test]
async fn a_receipt_waits_for_every_delivery_and_tells_that_all_are_acknowledged() {
    let inlet = inlet();
    let mut doors = [open(&inlet, 5), open(&inlet, 5)];
    let mut receipt = push(&inlet, &["a", "b"]).await;
    let deliveries: Vec<_> = doors.iter_mut().flat_map(all_ready).collect();
    assert_eq!(deliveries.len(), 4);
    for delivery in deliveries {
        assert!(poll!(&mut receipt).is_pending());
        delivery.acknowledge();
    }
    assert!(receipt.await);
}

#[tokio::test]
async fn a_receipt_tells_that_one_was_released_which_does_not_come_again() {
    let inlet = inlet();
    let mut door = open(&inlet, 5);
    let (first, second) = (push(&inlet, &["a", "b"]).await, push(&inlet, &["c"]).await);
    let mut deliveries = all_ready(&mut door);
    deliveries.remove(0).release(Duration::from_secs(1));
    deliveries.into_iter().for_each(Delivery::acknowledge);
    assert!(!first.await);
    assert!(second.await, "one push is not another");
    assert!(ready(&mut door).is_none());
}

#[tokio::test]
async fn nothing_pushed_is_acknowledged_at_once() {
    let inlet = inlet();
    let _door = open(&inlet, 5);
    assert!(push(&inlet, &[]).await.await);
}

#[tokio::test]
async fn pushing_waits_while_a_door_is_full() {
    let inlet = inlet();
    let mut narrow = open(&inlet, 1);
    let mut wide = open(&inlet, 5);
    let _receipt = push(&inlet, &["a"]).await;
    let mut second = pin!(push(&inlet, &["b"]));
    assert!(poll!(&mut second).is_pending());
    assert_eq!(all_ready(&mut wide).len(), 1, "to every door or none");

    ready(&mut narrow).expect("a delivery").acknowledge();
    second.await;
    assert_eq!(texts(&all_ready(&mut narrow)), [b"b"]);
    assert_eq!(texts(&all_ready(&mut wide)), [b"b"]);
}

#[tokio::test(start_paused = true)]
async fn pushing_fails_when_patience_ends() {
    let inlet = inlet();
    let _door = open(&inlet, 2);
    let start = Instant::now();
    let pushed = inlet.push(messages(&["a", "b", "c"]), PATIENCE).await;
    assert_eq!(start.elapsed(), PATIENCE);
    assert_eq!(
        pushed.expect_err("no room").to_string(),
        "a handler has been busy for 5s with the 2 events that it may have in flight: make it \
         faster, or let it have more",
    );
}

#[tokio::test(start_paused = true)]
async fn pushing_is_an_error_once_a_door_is_dropped() {
    let inlet = inlet();
    let (mut closes, mut stays) = (open(&inlet, 2), open(&inlet, 2));
    let receipt = push(&inlet, &["a", "b"]).await;
    let in_flight = ready(&mut closes).expect("a delivery");
    let start = Instant::now();
    let mut waiting = pin!(inlet.push(messages(&["c"]), PATIENCE));
    assert!(poll!(&mut waiting).is_pending());
    drop(closes);
    in_flight.acknowledge();
    let others = all_ready(&mut stays);
    others.into_iter().for_each(Delivery::acknowledge);

    assert!(!receipt.await, "one of its messages was not handled");
    for pushed in [waiting.await, inlet.push(messages(&["d"]), PATIENCE).await] {
        let said = pushed.expect_err("closed").to_string();
        assert_eq!(
            said,
            "the service is shutting down and takes no more events"
        );
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}
