//! What the official parser says of it, and what the command prints.

use std::process::Command;

use fanfare_tests::{ask_parser, wrong};
use serde_json::{Value, json};

use crate::shop::{document, keys};

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
