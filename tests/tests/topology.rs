//! What is connected and subscribed is what the topology lists, and nothing else.

use fanfare::prelude::*;
use fanfare_tests::Spy;
use serde_json::{Value, json};

/// Where this fleet's events travel.
#[derive(Streamers)]
struct Streamers {
    /// What customers do.
    #[streamer(topics("orders", "payments", "returns"))]
    main_kafka: Spy,
    alerts: Spy,
    #[streamer(name = "old-bus")]
    unmentioned: Spy,
}

/// Somebody wants something.
#[event(stream_to = [streamer!("main-kafka", "orders"), streamer!("alerts", "everything")], key = order)]
struct OrderPlaced {
    order: u32,
}

#[event(name = "Paid", stream_to = streamer!("main-kafka", "payments"))]
struct PaidV1 {
    order: u32,
}

#[event(name = "Paid", version = 2, previous = PaidV1, stream_to = streamer!("main-kafka", "payments"))]
struct Paid {
    order: u32,
    cents: u64,
}

impl From<PaidV1> for Paid {
    fn from(v1: PaidV1) -> Self {
        Paid {
            order: v1.order,
            cents: 0,
        }
    }
}

#[event]
struct Internal {}

/// Sends the goods.
#[event_handler(
    streamed_from = [streamer!("main-kafka", "orders"), streamer!("alerts", "everything")],
    dead_letter = streamer!("alerts", "undelivered")
)]
async fn deliver(_: OrderPlaced) -> Result<()> {
    Ok(())
}

#[event_handler(streamed_from = streamer!("main-kafka", "payments"), name = "books", group = "ledger")]
async fn book(_: Paid) -> Result<()> {
    Ok(())
}

#[event_handler(streamed_from = streamer!("alerts", "everything"), group = each_instance)]
async fn watch(_: RawEvent) -> Result<()> {
    Ok(())
}

#[event_handler]
async fn inside(_: Internal) -> Result<()> {
    Ok(())
}

fn app() -> (App, [Spy; 3]) {
    let spies = [Spy::default(), Spy::default(), Spy::default()];
    let [main_kafka, alerts, unmentioned] = spies.clone();
    let streamers = Streamers {
        main_kafka,
        alerts,
        unmentioned,
    };
    (App::new("shop").streamers(streamers), spies)
}

#[tokio::test]
async fn what_is_subscribed_and_connected_is_what_the_topology_lists() {
    let (app, [main, alerts, unmentioned]) = app();
    let topology = app.topology();
    app.check().expect("no faults");
    assert_eq!(main.seen(), [""; 0], "a check connects nothing");

    let running = app.start().await.expect("started");
    for (streamer, spy) in [("main-kafka", &main), ("alerts", &alerts)] {
        let listed = topology.subscriptions.iter().filter_map(|subscription| {
            let topic = subscription
                .topic
                .filter(|topic| topic.streamer == streamer)?;
            let group = match &subscription.group {
                fanfare::topology::GroupName::Shared(name) => name,
                fanfare::topology::GroupName::EachInstance => "each instance",
            };
            Some(format!("subscribe {} {group}", topic.topic))
        });
        let mut expected = vec!["connect".to_owned()];
        expected.extend(listed);
        assert_eq!(spy.seen(), expected);
    }
    assert_eq!(unmentioned.seen(), [""; 0]);
    let connected: Vec<_> = topology
        .streamers
        .iter()
        .filter(|streamer| streamer.is_mentioned())
        .collect();
    assert_eq!(
        connected
            .iter()
            .map(|streamer| streamer.name)
            .collect::<Vec<_>>(),
        ["alerts", "main-kafka"]
    );

    running.shutdown().await.expect("shut down");
    assert_eq!(main.seen().last().map(String::as_str), Some("close"));
    assert_eq!(alerts.seen().last().map(String::as_str), Some("close"));
    assert_eq!(unmentioned.seen(), [""; 0]);
}

#[test]
fn as_text_it_is_read_at_a_glance() {
    let text = app().0.topology().to_string();
    let expected = "\
service shop

events
  Internal v1     -> this service only
  OrderPlaced v1  -> main-kafka/orders, alerts/everything  key order
  Paid v1         -> main-kafka/payments
  Paid v2         -> main-kafka/payments

handlers
  books    Paid v2         <- main-kafka/payments  group ledger        dead letters: the store, or the streamer's own
  deliver  OrderPlaced v1  <- main-kafka/orders    group shop.deliver  dead letters: alerts/undelivered
  deliver  OrderPlaced v1  <- alerts/everything    group shop.deliver  dead letters: alerts/undelivered
  inside   Internal v1     <- this service                             dead letters: the store, or the log
  watch    every message   <- alerts/everything    each instance       dead letters: the store, or the streamer's own

streamers
  alerts      Spy  everything, undelivered
  main-kafka  Spy  orders, payments
  old-bus     Spy  mentioned by nothing, so not connected
";
    assert_eq!(text, expected, "\n{text}");
}

#[test]
fn as_json_it_holds_everything_and_the_schemas() {
    let topology = app().0.topology();
    let json = topology.to_json();
    assert_eq!(json, serde_json::to_value(&topology).expect("JSON"));
    assert_eq!(json["form"], 1);
    assert_eq!(json["service"], "shop");
    assert_eq!(
        json["events"][1],
        json!({
            "name": "OrderPlaced",
            "former_names": [],
            "version": 1,
            "compatibility": "backward",
            "content_type": "application/json",
            "type": "topology::OrderPlaced",
            "documentation": "Somebody wants something.",
            "key": "order",
            "targets": [
                {"streamer": "main-kafka", "topic": "orders"},
                {"streamer": "alerts", "topic": "everything"},
            ],
        })
    );
    assert_eq!(
        json["handlers"][1],
        json!({
            "name": "deliver",
            "function": "topology::deliver",
            "documentation": "Sends the goods.",
            "event": {"name": "OrderPlaced", "version": 1},
            "sources": [
                {"streamer": "main-kafka", "topic": "orders"},
                {"streamer": "alerts", "topic": "everything"},
            ],
        })
    );
    assert_eq!(
        json["subscriptions"][1],
        json!({
            "handler": "deliver",
            "topic": {"streamer": "main-kafka", "topic": "orders"},
            "group": "shop.deliver",
            "event": {"name": "OrderPlaced", "version": 1},
            "dead_letters": {"streamer": "alerts", "topic": "undelivered"},
            "start": null,
            "policy": {
                "attempts": 5,
                "shortest_pause": "100ms",
                "longest_pause": "30s",
                "order": "in_order",
                "timeout": null,
                "concurrency": 1,
                "in_flight": 256,
                "batch": null,
                "deduplicate": false,
            },
        })
    );
    assert_eq!(
        json["streamers"][1],
        json!({
            "name": "main-kafka",
            "set": "topology::Streamers",
            "type": "Spy",
            "documentation": "What customers do.",
            "closed_topics": ["orders", "payments", "returns"],
            "topics": ["orders", "payments"],
            "connected": true,
        })
    );
    assert_eq!(json["streamers"][2]["connected"], false);
    assert_eq!(json["subscriptions"][4]["group"], Value::Null);
    let required = |version: &str| json["schemas"]["Paid"][version]["required"].clone();
    assert_eq!(
        (required("1"), required("2")),
        (json!(["order"]), json!(["order", "cents"]))
    );
}
