//! The topology as an AsyncAPI document: its parts, that it is stable, and that the official parser
//! takes it.

#![allow(dead_code)] // fields that only travel

use std::collections::BTreeMap;
use std::process::Command;

use fanfare::event::cloudevents::{AMQP, Binding, KAFKA, NATS};
use fanfare::event::{Envelope, EventId};
use fanfare::prelude::*;
use fanfare_tests::{ask_parser, wrong};
use serde_json::{Value, json};

/// Where this shop's events travel.
#[derive(Streamers)]
struct Streamers {
    /// What customers do.
    #[streamer(topics("orders", "payments"))]
    main_kafka: Kafka,
    fast: Nats,
    rabbit: Amqp,
    /// Within this process.
    near: Memory,
    unmentioned: Kafka,
}

mod orders {
    use fanfare::prelude::*;

    use super::streamer;

    /// Where to.
    #[payload]
    pub(super) struct Address {
        /// With the number.
        pub(super) street: String,
    }

    /// Somebody wants something: "quickly", #1.
    ///
    /// It is not paid yet.
    #[event(
        name = "orders.Placed",
        stream_to = [streamer!("main-kafka", "orders"), streamer!("fast", "orders.new")],
        key = order
    )]
    #[schemars(example = example())]
    pub(super) struct Placed {
        /// Unique in the shop.
        pub(super) order: u64,
        /// Where the goods go.
        pub(super) to: Address,
        pub(super) note: Option<String>,
    }

    fn example() -> Placed {
        Placed {
            order: 17,
            to: Address {
                street: "Long Lane 3".to_owned(),
            },
            note: None,
        }
    }
}

mod parcels {
    use fanfare::prelude::*;

    use super::streamer;

    /// Where it lies.
    #[payload]
    pub(super) struct Address {
        pub(super) shelf: u32,
    }

    /// A parcel lies on a shelf.
    #[event(name = "parcels.Placed", stream_to = streamer!("rabbit", "parcels"))]
    pub(super) struct Placed {
        pub(super) at: Address,
    }

    /// A box with boxes in it.
    #[payload]
    pub(super) struct Packing {
        pub(super) label: String,
        pub(super) inside: Vec<Packing>,
    }

    #[event(stream_to = streamer!("near", "losses/all"))]
    pub(super) enum ParcelLost {
        /// Gone between two places.
        Between(String, String),
        With {
            packing: Packing,
        },
        Vanished,
    }
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

/// What another module calls the first version of `Paid`.
mod till {
    use fanfare::prelude::*;

    use super::streamer;

    #[event(name = "Paid", stream_to = streamer!("near", "till/{number}"))]
    pub(super) struct Taken {
        pub(super) order: u32,
    }
}

#[event]
struct Internal {}

/// Sends the goods.
#[event_handler(
    streamed_from = streamer!("main-kafka", "orders"),
    dead_letter = streamer!("fast", "undelivered")
)]
async fn deliver(_: orders::Placed) -> Result<()> {
    Ok(())
}

#[event_handler(streamed_from = streamer!("main-kafka", "payments"), name = "books", group = "ledger")]
async fn book(_: Paid) -> Result<()> {
    Ok(())
}

#[event_handler(streamed_from = streamer!("main-kafka", "payments"))]
async fn book_once(_: PaidV1) -> Result<()> {
    Ok(())
}

#[event_handler(streamed_from = streamer!("rabbit", "parcels"), group = each_instance)]
async fn watch(_: RawEvent) -> Result<()> {
    Ok(())
}

/// Hears what nobody here declares.
#[event_handler(streamed_from = streamer!("rabbit", "strangers"))]
async fn listen(_: RawEvent) -> Result<()> {
    Ok(())
}

#[event_handler]
async fn inside(_: Internal) -> Result<()> {
    Ok(())
}

fn document() -> Value {
    App::new("shop").topology().asyncapi("1.4.0")
}

/// What stands at a reference of the document.
fn followed<'a>(document: &'a Value, reference: &Value) -> &'a Value {
    let reference = reference["$ref"].as_str().expect("a reference");
    let place = reference.strip_prefix('#').expect("within the document");
    document.pointer(place).expect("what it refers to")
}

fn keys(object: &Value) -> Vec<&str> {
    let object = object.as_object().expect("an object");
    object.keys().map(String::as_str).collect()
}

#[test]
fn servers_are_the_streamers_that_are_mentioned() {
    let document = document();
    assert_eq!(document["asyncapi"], "3.0.0");
    assert_eq!(document["info"]["title"], "shop");
    assert_eq!(document["info"]["version"], "1.4.0");
    let servers = &document["servers"];
    assert_eq!(keys(servers), ["fast", "main-kafka", "near", "rabbit"]);
    let protocols: BTreeMap<_, _> = servers
        .as_object()
        .expect("servers")
        .iter()
        .map(|(name, server)| (name.as_str(), server["protocol"].as_str().expect("one")))
        .collect();
    let expected = [
        ("fast", "nats"),
        ("main-kafka", "kafka"),
        ("near", "memory"),
        ("rabbit", "amqp"),
    ];
    assert_eq!(protocols, BTreeMap::from(expected));
    assert_eq!(servers["main-kafka"]["description"], "What customers do.");
    assert_eq!(servers["main-kafka"]["host"], "{host}");
}

#[test]
fn channels_are_the_topics_with_what_travels_there() {
    let document = document();
    let channels = &document["channels"];
    let travelling: BTreeMap<_, _> = keys(channels)
        .into_iter()
        .map(|key| (key, keys(&channels[key]["messages"])))
        .collect();
    let expected = [
        ("fast.orders.new", vec!["orders.Placed.v1"]),
        ("fast.undelivered", vec!["orders.Placed.v1"]),
        ("main-kafka.orders", vec!["orders.Placed.v1"]),
        ("main-kafka.payments", vec!["Paid.v1", "Paid.v2"]),
        ("near.losses_x2F_all", vec!["ParcelLost.v1"]),
        ("near.till_x2F__x7B_number_x7D_", vec!["Paid.v1"]),
        ("rabbit.parcels", vec!["parcels.Placed.v1"]),
        ("rabbit.strangers", vec!["any-message"]),
    ];
    assert_eq!(travelling, BTreeMap::from(expected));
    let channel = &channels["near.losses_x2F_all"];
    assert_eq!(channel["address"], "losses/all");
    assert_eq!(channel["servers"], json!([{"$ref": "#/servers/near"}]));
    let parameters = &channels["near.till_x2F__x7B_number_x7D_"]["parameters"];
    assert_eq!(parameters["number"]["enum"], json!(["{number}"]));
    let exchange = &channels["rabbit.parcels"]["bindings"]["amqp"]["exchange"];
    assert_eq!(exchange["name"], "parcels");
}

#[test]
fn operations_are_what_is_sent_and_heard_and_given_up() {
    let document = document();
    let operations = &document["operations"];
    assert_eq!(
        keys(operations),
        [
            "dead-letters.deliver.fast.undelivered",
            "receive.book_once.main-kafka.payments",
            "receive.books.main-kafka.payments",
            "receive.deliver.main-kafka.orders",
            "receive.listen.rabbit.strangers",
            "receive.watch.rabbit.parcels",
            "send.Paid.v1.main-kafka.payments",
            "send.Paid.v1.near.till_x2F__x7B_number_x7D_",
            "send.Paid.v2.main-kafka.payments",
            "send.ParcelLost.v1.near.losses_x2F_all",
            "send.orders.Placed.v1.fast.orders.new",
            "send.orders.Placed.v1.main-kafka.orders",
            "send.parcels.Placed.v1.rabbit.parcels",
        ]
    );
    assert_eq!(
        operations["receive.deliver.main-kafka.orders"],
        json!({
            "action": "receive",
            "title": "deliver",
            "description": "Sends the goods.",
            "channel": {"$ref": "#/channels/main-kafka.orders"},
            "messages": [{"$ref": "#/channels/main-kafka.orders/messages/orders.Placed.v1"}],
            "bindings": {"kafka": {
                "groupId": {"type": "string", "const": "shop.deliver"},
                "bindingVersion": "0.5.0",
            }},
            "x-fanfare-group": "shop.deliver",
        })
    );
    let sent = &operations["send.orders.Placed.v1.fast.orders.new"];
    assert_eq!(sent["action"], "send");
    assert_eq!(sent["channel"]["$ref"], "#/channels/fast.orders.new");
    let letters = &operations["dead-letters.deliver.fast.undelivered"];
    assert_eq!(letters["action"], "send");
    let said = letters["description"].as_str().expect("a text");
    assert!(said.contains("`ce-deadletterreason`"), "{said}");
}

#[test]
fn a_handler_hears_its_version_and_the_older_ones() {
    let document = document();
    let heard = |operation: &str| {
        let messages = document["operations"][operation]["messages"].as_array();
        messages.expect("messages").len()
    };
    assert_eq!(heard("receive.books.main-kafka.payments"), 2);
    assert_eq!(heard("receive.book_once.main-kafka.payments"), 1);
    let books = &document["operations"]["receive.books.main-kafka.payments"];
    assert_eq!(books["x-fanfare-group"], "ledger");
}

#[test]
fn a_handler_of_raw_events_receives_any_message() {
    let document = document();
    let watch = &document["operations"]["receive.watch.rabbit.parcels"];
    assert_eq!(watch["messages"], Value::Null, "all of the channel");
    assert_eq!(watch["x-fanfare-each-instance"], true);
    assert_eq!(watch["x-fanfare-group"], Value::Null);
    let listen = &document["operations"]["receive.listen.rabbit.strangers"];
    let said = listen["description"].as_str().expect("a text");
    assert!(
        said.starts_with("Hears what nobody here declares."),
        "{said}"
    );
    assert!(said.contains("every message"), "{said}");
    let channel = followed(&document, &listen["channel"]);
    let any = followed(&document, &channel["messages"]["any-message"]);
    assert_eq!(any["payload"], Value::Null);
}

#[test]
fn a_message_has_all_that_is_known_of_its_event() {
    let document = document();
    let messages = &document["channels"]["main-kafka.orders"]["messages"];
    let message = followed(&document, &messages["orders.Placed.v1"]);
    assert_eq!(message["name"], "orders.Placed");
    assert_eq!(message["contentType"], "application/json");
    let said = "Somebody wants something: \"quickly\", #1.\n\nIt is not paid yet.";
    assert_eq!(message["description"], said);
    let key = &message["bindings"]["kafka"]["key"];
    assert_eq!(key["description"], "The field `order`, as text.");
    let payload = followed(&document, &message["payload"]);
    let order = &payload["properties"]["order"];
    assert_eq!(order["description"], "Unique in the shop.");
    assert_eq!(
        message["examples"],
        json!([{"payload": {"order": 17, "to": {"street": "Long Lane 3"}, "note": null}}])
    );
}

#[test]
fn the_headers_are_those_that_the_binding_writes() {
    let document = document();
    let messages = &document["components"]["messages"];
    let of = |event: &str, binding: &Binding| {
        let (kind, schema) = match event {
            "parcels.Placed" => (event, parcels::Placed::SCHEMA),
            _ => ("orders.Placed", orders::Placed::SCHEMA),
        };
        let envelope = Envelope::new(EventId::new(), "shop", kind)
            .and_then(|event| event.with_payload("application/json", "{}".into()))
            .and_then(|event| event.with_schema(schema))
            .and_then(|event| event.with_key("17"))
            .and_then(|event| event.with_extension("correlationid", "9"));
        binding.write(&envelope.expect("valid")).headers
    };
    for (event, binding, name) in [
        ("orders.Placed", &KAFKA, "kafka"),
        ("orders.Placed", &NATS, "nats"),
        ("parcels.Placed", &AMQP, "amqp"),
    ] {
        let message = &messages[format!("{event}.v1.{name}")];
        let headers = &message["headers"];
        let common = followed(&document, &headers["allOf"][0]);
        let correlation = followed(&document, &message["correlationId"]);
        let location = correlation["location"].as_str().expect("a place");
        for (header, value) in of(event, binding) {
            let header = header.as_str();
            assert_ne!(common["properties"][header], Value::Null, "{header}");
            let only = &headers["properties"][header]["const"];
            let value = str::from_utf8(&value).expect("text");
            assert!(only.is_null() || only == value, "{header}: {value}");
            if value == "9" {
                assert_eq!(location, format!("$message.header#/{header}"));
            }
        }
        let is_keyed = event == "orders.Placed";
        let said = keys(&headers["properties"]).len();
        assert_eq!(said, 2 + usize::from(is_keyed), "{headers}");
    }
    let headers = &messages["orders.Placed.v1.nats"]["headers"]["properties"];
    let key = &headers["ce-partitionkey"];
    assert_eq!(key["description"], "The field `order`, as text.");
}

#[test]
fn types_of_one_name_in_two_modules_are_kept_apart() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let order = &schemas["orders.Placed.v1"]["properties"]["to"];
    let parcel = &schemas["parcels.Placed.v1"]["properties"]["at"];
    let order = followed(&document, &order["allOf"][0]);
    assert_eq!(keys(&order["properties"]), ["street"]);
    let parcel = followed(&document, parcel);
    assert_eq!(keys(&parcel["properties"]), ["shelf"]);
}

#[test]
fn an_event_that_two_modules_declare_alike_is_one_message() {
    let document = document();
    let components = &document["components"];
    let schemas = keys(&components["schemas"]);
    let paid = schemas.iter().filter(|key| key.starts_with("Paid."));
    assert_eq!(paid.collect::<Vec<_>>(), [&"Paid.v1", &"Paid.v2"]);
    for (channel, message) in [
        ("main-kafka.payments", "Paid.v1.kafka"),
        ("near.till_x2F__x7B_number_x7D_", "Paid.v1"),
    ] {
        let there = &document["channels"][channel]["messages"]["Paid.v1"];
        assert_eq!(followed(&document, there), &components["messages"][message]);
    }
}

#[test]
fn what_stays_in_the_service_is_left_out() {
    let text = document().to_string();
    assert!(!text.contains("Internal"), "{text}");
    assert!(!text.contains("unmentioned"), "{text}");
    assert!(!text.contains("asyncapi.rs"), "no places in the code");
}

#[test]
fn the_official_parser_takes_it_and_understands_the_same() {
    let document = document();
    let answer = ask_parser(&document.to_string());
    assert_eq!(wrong(&answer), [""; 0]);
    let understood = &answer["understood"];
    assert_eq!(understood["title"], "shop");
    let operations = &understood["operations"];
    assert_eq!(keys(operations), keys(&document["operations"]));
    assert_eq!(
        operations["receive.books.main-kafka.payments"],
        json!({
            "action": "receive",
            "channels": ["payments"],
            "servers": ["main-kafka"],
            "messages": ["Paid.v1", "Paid.v2"],
        })
    );
    let raw = &operations["receive.watch.rabbit.parcels"];
    assert_eq!(raw["messages"], json!(["parcels.Placed.v1"]));
}

#[test]
fn the_official_parser_would_say_what_is_wrong() {
    let found_after = |edit: fn(&mut Value)| {
        let mut document = document();
        edit(&mut document);
        wrong(&ask_parser(&document.to_string())).join("; ")
    };
    let found = found_after(|document| {
        document["operations"]["receive.watch.rabbit.parcels"]["action"] = json!("overhear");
    });
    assert!(found.contains("action"), "{found}");
    let found = found_after(|document| {
        let schema = &mut document["components"]["schemas"]["parcels.Placed.v1.Address"];
        schema["properties"]["shelf"]["type"] = json!("plank");
    });
    assert!(found.contains("properties/shelf/type"), "{found}");
    let found = found_after(|document| {
        let schemas = document["components"]["schemas"].as_object_mut();
        schemas
            .expect("schemas")
            .remove("parcels.Placed.v1.Address");
    });
    assert!(found.contains("parcels.Placed.v1.Address"), "{found}");
}

/// What the shop of `tests/cli` says.
fn says(arguments: &str) -> String {
    let mut shop = Command::new(env!("CARGO_BIN_EXE_operated"));
    shop.args(arguments.split_whitespace());
    let output = shop.output().expect("run");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments}: {error}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_command_prints_yaml_or_json_and_both_say_the_same() {
    let json: Value = serde_json::from_str(&says("asyncapi --format json")).expect("JSON");
    assert_eq!(
        json["operations"]["receive.refund.main.returns"]["title"],
        "refund"
    );
    let short: Value = serde_json::from_str(&says("asyncapi --json")).expect("JSON");
    assert_eq!(short, json);
    let yaml = says("asyncapi");
    assert!(yaml.starts_with("asyncapi: "), "{yaml}");
    let answer = ask_parser(&yaml);
    assert_eq!(wrong(&answer), [""; 0]);
    assert_eq!(answer["read"], json);
}

#[test]
fn it_is_the_same_each_time() {
    assert_eq!(document(), document());
    assert_eq!(says("asyncapi"), says("asyncapi"));
    assert_eq!(says("asyncapi --json"), says("asyncapi --json"));
}

#[test]
fn the_version_is_the_one_that_is_said_or_the_packages() {
    let version = |arguments: &str| {
        let json: Value = serde_json::from_str(&says(arguments)).expect("JSON");
        json["info"]["version"].clone()
    };
    assert_eq!(version("asyncapi --json"), env!("CARGO_PKG_VERSION"));
    assert_eq!(version("asyncapi --json --service-version 7.1"), "7.1");
}
