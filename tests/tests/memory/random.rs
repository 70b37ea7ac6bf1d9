//! Whatever happens in whatever order: order by key, nothing lost, nothing twice, all bounds kept.

use std::collections::BTreeMap;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use fanfare::streamer::{Deliveries, Delivery};
use fanfare::streamers::Memory;
use futures_util::poll;
use proptest::prelude::*;
use proptest::sample::Index;
use tokio::task::unconstrained;

use crate::{count, keyed, ready, shared, subscribe, text, try_publish};

const CAPACITY: usize = 20;
const MAX_IN_FLIGHT: usize = 3;
const KEYS: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Waiting,
    InFlight { subscriber: usize },
    Acknowledged,
}

/// What a group should hold.
#[derive(Default)]
struct Group {
    events: BTreeMap<usize, Event>,
    subscribers: BTreeMap<usize, Deliveries>,
    in_flight: Vec<(usize, Delivery)>,
}

impl Group {
    fn unacknowledged(&self) -> usize {
        let events = self.events.values();
        events
            .filter(|event| **event != Event::Acknowledged)
            .count()
    }

    /// Polls a subscriber and checks that it may have what it gets.
    fn poll(&mut self, subscriber: usize) -> bool {
        let Some(deliveries) = self.subscribers.get_mut(&subscriber) else {
            return false;
        };
        let Some(delivery) = ready(deliveries) else {
            return false;
        };
        let number: usize = text(&delivery).parse().expect("a number");
        assert_eq!(self.events[&number], Event::Waiting, "delivered twice");
        for (_, earlier) in self
            .events
            .range(..number)
            .filter(|(other, _)| *other % KEYS == number % KEYS)
        {
            let fine = [Event::Acknowledged, Event::InFlight { subscriber }];
            assert!(
                fine.contains(earlier),
                "{number} overtakes one: {earlier:?}"
            );
        }
        self.events.insert(number, Event::InFlight { subscriber });
        self.in_flight.push((number, delivery));
        let at_work = Event::InFlight { subscriber };
        let in_flight = self.events.values().filter(|event| **event == at_work);
        assert!(in_flight.count() <= MAX_IN_FLIGHT);
        true
    }

    fn settle(&mut self, which: Index, how: How) {
        if self.in_flight.is_empty() {
            return;
        }
        let at = which.index(self.in_flight.len());
        let (number, delivery) = self.in_flight.swap_remove(at);
        let becomes = match how {
            How::Acknowledge => Event::Acknowledged,
            How::Release | How::Drop => Event::Waiting,
        };
        match how {
            How::Acknowledge => delivery.acknowledge(),
            How::Release => delivery.release(Duration::ZERO),
            How::Drop => drop(delivery),
        }
        self.events.insert(number, becomes);
    }

    fn pick(&self, which: Index) -> Option<usize> {
        let at = which.index(self.subscribers.len().max(1));
        self.subscribers.keys().nth(at).copied()
    }
}

#[derive(Clone, Copy, Debug)]
enum How {
    Acknowledge,
    Release,
    Drop,
}

/// What happens to one of the groups; the index picks who or what.
#[derive(Clone, Copy, Debug)]
enum Step {
    Join,
    Leave(Index),
    Publish,
    Poll(Index),
    Settle(Index, How),
}

fn steps() -> impl Strategy<Value = Vec<(Index, Step)>> {
    let index = any::<Index>;
    let how = prop_oneof![
        3 => Just(How::Acknowledge),
        1 => Just(How::Release),
        1 => Just(How::Drop),
    ];
    let step = prop_oneof![
        1 => Just(Step::Join),
        1 => index().prop_map(Step::Leave),
        10 => Just(Step::Publish),
        12 => index().prop_map(Step::Poll),
        12 => (index(), how).prop_map(|(which, how)| Step::Settle(which, how)),
    ];
    prop::collection::vec((index(), step), 1..400)
}

struct World {
    memory: Memory,
    groups: Vec<Group>,
    published: usize,
    subscribed: usize,
}

impl World {
    async fn new(streams: usize, groups: usize) -> Self {
        let memory = Memory::new()
            .with_capacity(count(CAPACITY))
            .with_streams(count(streams));
        let mut world = World {
            memory,
            groups: Vec::new(),
            published: 0,
            subscribed: 0,
        };
        for group in 0..groups {
            world.groups.push(Group::default());
            world.join(group).await;
        }
        world
    }

    async fn join(&mut self, group: usize) {
        self.subscribed += 1;
        let name = shared(&group.to_string());
        let deliveries = subscribe(&self.memory, name, MAX_IN_FLIGHT).await;
        let subscribers = &mut self.groups[group].subscribers;
        subscribers.insert(self.subscribed, deliveries);
    }

    async fn publish(&mut self) {
        let number = self.published;
        self.published += 1;
        let message = keyed(&(number % KEYS).to_string(), &number.to_string());
        let mut groups = self.groups.iter();
        let full = groups.any(|group| group.unacknowledged() == CAPACITY);
        {
            let mut publishing = pin!(try_publish(&self.memory, [message]));
            match poll!(&mut publishing) {
                Poll::Ready(reports) => assert_eq!(reports[0].is_err(), full),
                Poll::Pending => assert!(full),
            }
        }
        for group in self.groups.iter_mut().filter(|_| !full) {
            group.events.insert(number, Event::Waiting);
        }
    }

    async fn step(&mut self, group: usize, step: Step) {
        let on = &mut self.groups[group];
        match step {
            Step::Join => self.join(group).await,
            Step::Leave(which) => {
                let leaves = on.pick(which);
                on.subscribers.retain(|other, _| Some(*other) != leaves);
            }
            Step::Publish => self.publish().await,
            Step::Poll(which) => {
                if let Some(subscriber) = on.pick(which) {
                    on.poll(subscriber);
                }
            }
            Step::Settle(which, how) => on.settle(which, how),
        }
    }

    /// Lets everything be handled, and checks that nothing is left.
    async fn end(&mut self) {
        for group in 0..self.groups.len() {
            self.join(group).await;
            let group = &mut self.groups[group];
            loop {
                for (number, delivery) in group.in_flight.drain(..) {
                    delivery.acknowledge();
                    group.events.insert(number, Event::Acknowledged);
                }
                let subscribers: Vec<_> = group.subscribers.keys().copied().collect();
                // Not `any`: each of them takes what it can.
                let polled = subscribers.into_iter().filter(|other| group.poll(*other));
                if polled.count() == 0 {
                    break;
                }
            }
            assert_eq!(group.unacknowledged(), 0, "lost");
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_order_by_key_holds_and_nothing_is_lost(
        streams in 1..5_usize,
        groups in 1..4_usize,
        steps in steps(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(unconstrained(async {
            let mut world = World::new(streams, groups).await;
            for (group, step) in steps {
                world.step(group.index(groups), step).await;
            }
            world.end().await;
        }));
    }
}
