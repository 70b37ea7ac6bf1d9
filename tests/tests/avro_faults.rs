//! What keeps an app with events in Avro from starting.

use fanfare::prelude::*;
use fanfare::registry::SchemaRegistry;
use fanfare::streamers::Secret;
use fanfare::{Faults, testing::TestApp};
use fanfare_tests::{ask_parser, wrong};
use serde_json::json;

#[derive(Streamers)]
struct Streamers {
    #[streamer(codec = "avro")]
    main: Memory,
}

#[event(stream_to = streamer!("main", "good"))]
struct Good {
    number: u32,
}

#[event(stream_to = streamer!("main", "placed"))]
struct Placed {
    place: Place,
}

#[payload]
struct Place {
    at: (f64, f64),
}

const NO_SCHEMA: &str = r#"{"type": "rekord", "name": "Given"}"#;

#[event(codec = "avro", avro_schema = NO_SCHEMA, stream_to = streamer!("main", "given"))]
struct Given {
    number: u32,
}

/// Waits in the store, perhaps, until it is streamed.
#[event(name = "Moved")]
struct MovedV1 {
    at: (f64, f64),
}

#[event(version = 2, previous = MovedV1, stream_to = streamer!("main", "moved"))]
struct Moved {
    x: f64,
}

impl From<MovedV1> for Moved {
    fn from(old: MovedV1) -> Self {
        Moved { x: old.at.0 }
    }
}

/// Streamed nowhere, and so never written in Avro.
#[event(codec = "avro")]
struct Own {
    at: (f64, f64),
}

fn app() -> App {
    let main = Memory::new();
    App::new("blog").streamers(Streamers { main })
}

/// What is wrong, and what is to be done.
fn faults(app: &App) -> Vec<(String, String)> {
    let faults: Faults = app.check().expect_err("faults");
    let faults = faults.iter();
    faults
        .map(|fault| (fault.mistake.clone(), fault.remedy.clone()))
        .collect()
}

#[test]
fn without_a_registry_the_events_are_named_and_the_remedy() {
    let faults = faults(&app());
    let (mistake, remedy) = faults.last().expect("a fault");
    assert_eq!(
        mistake,
        "the app has no schema registry, and in Avro the event `Given`, the event `Good` on the streamer `main`, the event `Moved` on the streamer `main` and the event `Placed` on the streamer `main` are written"
    );
    assert!(remedy.contains(".schema_registry("), "{remedy}");
}

#[test]
fn what_has_no_form_in_avro_is_named_with_its_field_and_the_remedy() {
    let app = app().schema_registry(SchemaRegistry::new("http://localhost:8081"));
    let faults = faults(&app);
    let mistakes: Vec<_> = faults.iter().map(|(mistake, _)| mistake.as_str()).collect();
    let [given, moved, placed] = mistakes.as_slice() else {
        panic!("{mistakes:?}");
    };
    assert_eq!(
        *moved,
        "the event `Moved` has no form in Avro, field `at`: a tuple is nothing in Avro; make it a struct"
    );
    assert!(
        given.starts_with("the `avro_schema` of the event `Given` is none: "),
        "{given}"
    );
    assert_eq!(
        *placed,
        "the event `Placed` has no form in Avro, field `place.at`: a tuple is nothing in Avro; make it a struct"
    );
    assert!(
        faults[1].1.contains("avro_schema = include_str!"),
        "{}",
        faults[1].1
    );
}

#[test]
fn options_of_a_registry_that_are_wrong_are_found_and_show_no_secret() {
    for (registry, words) in [
        (SchemaRegistry::new(""), "no address"),
        (
            SchemaRegistry::new("localhost:8081"),
            "its address is none like",
        ),
        (
            SchemaRegistry::new("http://ada:hunter2@localhost:8081"),
            "a login in it",
        ),
        (
            SchemaRegistry::new("http://localhost:8081")
                .with_login("ada", Secret::new("hunter2"))
                .with_token(Secret::new("hunter2")),
            "give one of them",
        ),
    ] {
        assert!(!format!("{registry:?}").contains("hunter2"));
        let faults = faults(&app().schema_registry(registry));
        let (mistake, _) = faults.last().expect("a fault");
        assert!(
            mistake.starts_with("the options of the schema registry: "),
            "{mistake}"
        );
        assert!(mistake.contains(words), "{mistake}");
        assert!(!mistake.contains("hunter2"), "{mistake}");
    }
}

#[test]
fn a_second_registry_is_refused() {
    let registry = SchemaRegistry::new("http://localhost:8081");
    let app = app()
        .schema_registry(registry.clone())
        .schema_registry(registry);
    let faults = faults(&app);
    assert!(
        faults
            .iter()
            .any(|(mistake, _)| mistake.contains("another one before")),
        "{faults:?}"
    );
}

#[test]
fn options_come_from_a_file_and_an_unknown_one_is_named() {
    let options = json!({
        "url": "http://localhost:8081", "user": "ada", "password": {"env": "REGISTRY_PASSWORD"},
        "subject_name": "topic_record", "auto_register": false, "register_at_start": false,
        "timeout_seconds": 5, "tls": {"authority": "/etc/ca.pem"},
    });
    let registry: SchemaRegistry = serde_json::from_value(options).expect("options");
    assert!(
        format!("{registry:?}").contains("TopicRecord"),
        "{registry:?}"
    );
    let unknown = json!({"url": "http://localhost:8081", "autoregister": false});
    let error = serde_json::from_value::<SchemaRegistry>(unknown).expect_err("unknown");
    assert!(error.to_string().contains("`autoregister`"), "{error}");
}

/// A test asks no registry; what has no form in Avro it finds all the same.
#[tokio::test]
async fn a_test_finds_what_has_no_form_and_misses_no_registry() {
    let started = TestApp::start(app()).await;
    let words = started.map(drop).expect_err("refused").to_string();
    assert!(words.contains("field `place.at`"), "{words}");
    assert!(!words.contains("registry"), "{words}");
}

#[test]
fn the_topology_says_in_what_events_are_written() {
    let topology = app().topology().to_json();
    assert_eq!(topology["streamers"][0]["content_type"], "application/avro");
    let good = topology["events"].as_array().expect("events").iter();
    let mut good = good.filter(|event| event["name"] == "Good");
    let good = good.next().expect("there");
    assert_eq!(good["content_type"], "application/json");
    assert_eq!(
        good["content_types"],
        json!({"main/good": "application/avro"})
    );
    let document = app().topology().asyncapi("1");
    let messages = &document["components"]["messages"];
    assert_eq!(messages["Good.v1.avro"]["contentType"], "application/avro");
    assert_eq!(messages["Given.v1"]["contentType"], "application/avro");
    let answer = ask_parser(&document.to_string());
    assert_eq!(wrong(&answer), [""; 0]);
}
