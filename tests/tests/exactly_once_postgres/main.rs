//! Effects in a Postgres database, exactly once, and from two instances.

#[path = "../exactly_once/mod.rs"]
mod exactly_once;

use std::sync::Arc;

use exactly_once::{Came, How, Instance, deposited};
use fanfare::store::PostgresStore;
use fanfare_tests::{Postgres, publish};
use tokio::sync::Barrier;

type TheStore = PostgresStore;

/// A database.
struct Place(String);

impl Place {
    async fn new() -> Self {
        Place(Postgres::shared().database().await)
    }

    async fn open(&self) -> PostgresStore {
        let store = PostgresStore::connect(&self.0).await;
        store.expect("connected")
    }
}

/// Two instances, each with a broker of its own, and where they meet.
async fn two(place: &Place) -> [Instance; 2] {
    let meeting = Arc::new(Barrier::new(2));
    let first = Instance::start(place, &meeting).await;
    [first, Instance::start(place, &meeting).await]
}

fn together([first, second]: &[Instance; 2]) -> Came {
    let (first, second) = (first.came(), second.came());
    Came {
        handled: first.handled + second.handled,
        repeated: first.repeated + second.repeated,
        failed: first.failed + second.failed,
        given_up: first.given_up + second.given_up,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_deliveries_to_each_of_two_instances_at_once_one_has_an_effect() {
    const EVENTS: usize = 40;
    let place = exactly_once::place().await;
    let two = two(&place).await;
    let numbers: Vec<i64> = (0..).take(EVENTS).collect();
    for number in &numbers {
        let event = deposited(*number, How::Commit);
        for instance in [&two[0], &two[1]].repeat(3) {
            publish(instance.spy.memory(), "deposits", event.clone()).await;
        }
    }
    for instance in &two {
        instance.spy.acknowledged(3 * EVENTS).await;
    }
    assert_eq!(two[0].rows().await, numbers);
    assert_eq!(two[0].announced().await.len(), EVENTS);
    let came = Came {
        handled: EVENTS as u64,
        repeated: 5 * EVENTS as u64,
        ..Came::default()
    };
    assert_eq!(together(&two), came);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_instances_that_handle_an_event_at_once_one_has_an_effect() {
    let place = exactly_once::place().await;
    let two = two(&place).await;
    let event = deposited(1, How::Meet);
    for instance in &two {
        publish(instance.spy.memory(), "deposits", event.clone()).await;
    }
    for instance in &two {
        instance.spy.acknowledged(1).await;
    }
    assert_eq!(two[0].rows().await, [1]);
    assert_eq!(two[0].announced().await.len(), 1);
    let came = Came {
        handled: 1,
        repeated: 1,
        ..Came::default()
    };
    assert_eq!(together(&two), came);
}
