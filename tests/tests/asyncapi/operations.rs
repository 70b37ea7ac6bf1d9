//! Servers, channels and operations: what is sent and heard where.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::shop::{document, followed, keys};

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

/// It has to be declared for the handler alone.
#[test]
fn what_the_service_hears_itself_is_perhaps_sent() {
    let document = document();
    let perhaps = |operation: &str| document["operations"][operation]["x-fanfare-perhaps"].clone();
    for heard in [
        "send.orders.Placed.v1.main-kafka.orders",
        "send.Paid.v1.main-kafka.payments",
        "send.Paid.v2.main-kafka.payments",
    ] {
        assert_eq!(perhaps(heard), true, "{heard}");
        let said = document["operations"][heard]["description"].as_str();
        assert!(said.expect("a text").ends_with("its code does not say."));
    }
    // On another topic than it is heard on, by nobody, or beside what else is there.
    for sent in [
        "send.orders.Placed.v1.fast.orders.new",
        "send.Paid.v1.near.till_x2F__x7B_number_x7D_",
        "send.ParcelLost.v1.near.losses_x2F_all",
        "send.parcels.Placed.v1.rabbit.parcels",
    ] {
        assert_eq!(perhaps(sent), Value::Null, "{sent}");
    }
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
fn what_stays_in_the_service_is_left_out() {
    let text = document().to_string();
    assert!(!text.contains("Internal"), "{text}");
    assert!(!text.contains("unmentioned"), "{text}");
    assert!(!text.contains(".rs"), "no places in the code");
}
