//! Messages: all that is known of an event.

use fanfare::event::cloudevents::{AMQP, Binding, KAFKA, NATS};
use fanfare::event::{Envelope, Event, EventId};
use serde_json::{Value, json};

use crate::shop::{document, followed, keys, orders, parcels};

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
