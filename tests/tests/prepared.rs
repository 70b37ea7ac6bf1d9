//! What a streamer is told that the code needs, and what it says of itself.

use std::sync::{Arc, Mutex};

use fanfare::prelude::*;
use fanfare::store::MemoryStore;
use fanfare::streamer::{
    Deliver, Deliveries, Group, Groups, Needs, Outgoing, Publish, Source, StreamError, Streamer,
    Subscribe, SubscriptionRequest,
};

#[derive(Streamers)]
struct Streamers {
    main: Broker,
    other: Broker,
}

#[event(stream_to = [streamer!("main", "orders"), streamer!("other", "copies")])]
struct Ordered {
    number: u64,
}

#[event_handler(streamed_from = streamer!("main", "orders"))]
async fn charge(_order: Ordered) -> Result<()> {
    Ok(())
}

#[event_handler(
    streamed_from = streamer!("main", "orders"),
    group = each_instance,
    dead_letter = streamer!("other", "failed")
)]
async fn show(_order: Ordered) -> Result<()> {
    Ok(())
}

/// A memory that notes what it is told, and says what it is told to.
#[derive(Clone, Default)]
struct Broker {
    memory: Memory,
    told: Arc<Mutex<Vec<Needs>>>,
    missing: Option<&'static str>,
    problem: Option<&'static str>,
}

impl Broker {
    fn told(&self) -> Vec<Needs> {
        self.told.lock().expect("not poisoned").clone()
    }
}

impl Streamer for Broker {
    async fn prepare(&self, needs: &Needs) -> Result<(), StreamError> {
        let mut told = self.told.lock().expect("not poisoned");
        told.push(needs.clone());
        self.missing
            .map_or(Ok(()), |what| Err(StreamError::new(what)))
    }

    fn health(&self) -> Result<(), StreamError> {
        self.problem
            .map_or(Ok(()), |what| Err(StreamError::new(what)))
    }
}

impl Publish for Broker {
    async fn publish(&self, topic: &str, batch: &mut [Outgoing]) {
        self.memory.publish(topic, batch).await;
    }
}

impl Subscribe for Broker {
    async fn subscribe(&self, request: SubscriptionRequest) -> Result<Deliveries, StreamError> {
        assert!(!self.told().is_empty(), "subscribed before it is prepared");
        self.memory.subscribe(request).await
    }
}

impl Deliver for Broker {
    fn source(self: Arc<Self>) -> Source {
        Source::subscribe(self)
    }
}

impl Groups for Broker {}

fn shop(main: &Broker, other: &Broker) -> App {
    let (main, other) = (main.clone(), other.clone());
    App::new("shop").streamers(Streamers { main, other })
}

#[tokio::test]
async fn a_streamer_is_told_what_the_code_needs_before_it_is_subscribed() {
    let (main, other) = (Broker::default(), Broker::default());
    let running = shop(&main, &other).start().await.expect("started");
    let mut told = main.told();
    let needs = told.remove(0);
    assert!(told.is_empty(), "told once");
    assert_eq!(needs.service, "shop");
    // The dead letters of `charge` have no topic of their own, so they stay here.
    let published: Vec<_> = needs.published.iter().map(String::as_str).collect();
    assert_eq!(published, ["orders", "orders.dead-letters"]);
    let groups = [Group::Shared("shop.charge".to_owned()), Group::EachInstance];
    assert_eq!(needs.subscribed["orders"], groups);
    assert_eq!(needs.subscribed.len(), 1);
    assert!(needs.has_group("orders", "shop.charge"));
    assert!(!needs.has_group("orders", "shop.refund"));
    let elsewhere = other.told().remove(0);
    let topics: Vec<_> = elsewhere.topics().into_iter().collect();
    assert_eq!(topics, ["copies", "failed"]);
    running.shutdown().await.expect("shut down");
}

#[tokio::test]
async fn with_a_store_no_topic_is_needed_for_dead_letters() {
    let (main, other) = (Broker::default(), Broker::default());
    let shop = shop(&main, &other).store(MemoryStore::new());
    let running = shop.start().await.expect("started");
    let needs = main.told().remove(0);
    assert_eq!(needs.topics().into_iter().collect::<Vec<_>>(), ["orders"]);
    running.shutdown().await.expect("shut down");
}

#[tokio::test]
async fn what_is_missing_on_all_streamers_keeps_the_app_from_starting() {
    let missing = |what| Broker {
        missing: Some(what),
        ..Broker::default()
    };
    let (main, other) = (missing("no `orders`"), missing("no `copies`"));
    let Err(error) = shop(&main, &other).start().await else {
        panic!("it started");
    };
    let error = error.to_string();
    for part in ["`main`", "no `orders`", "`other`", "no `copies`"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[tokio::test]
async fn health_is_what_each_streamer_says() {
    let main = Broker {
        problem: Some("the broker is away"),
        ..Broker::default()
    };
    let running = shop(&main, &Broker::default()).start().await;
    let running = running.expect("started");
    let health = running.health().into_iter();
    let health: Vec<_> = health
        .map(|health| (health.streamer, health.problem.map(|why| why.to_string())))
        .collect();
    let away = Some("the broker is away".to_owned());
    assert_eq!(health, [("main", away), ("other", None)]);
    running.shutdown().await.expect("shut down");
}
