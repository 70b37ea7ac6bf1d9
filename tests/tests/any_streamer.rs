//! A streamer that is chosen at run time.

use std::num::NonZeroUsize;

use fanfare::prelude::*;
use fanfare::streamer::Streamer;
use fanfare::streamers::AnyStreamer;

#[derive(Streamers)]
struct Streamers {
    main: AnyStreamer,
}

#[event_handler(streamed_from = streamer!("main", "orders"), guarantee(durable, ordered))]
async fn charge(_order: RawEvent) -> Result<()> {
    Ok(())
}

fn refused(url: &str) -> String {
    let chosen = AnyStreamer::from_url(url);
    chosen.expect_err("refused").to_string()
}

#[test]
fn a_guarantee_that_the_chosen_one_lacks_keeps_the_app_from_starting() {
    let main = AnyStreamer::from_url("memory://").expect("chosen");
    let app = App::new("shop").streamers(Streamers { main });
    let faults = app.check().expect_err("memory keeps nothing").to_string();
    assert!(faults.contains("1 fault"), "{faults}");
    assert!(
        faults.contains(
            "the handler `charge` asks for `guarantee(durable)`, and the streamer `main`"
        ),
        "{faults}"
    );
}

#[test]
fn a_streamer_of_a_fixed_type_turns_into_one() {
    let memory = Memory::new().with_streams(NonZeroUsize::MIN);
    let any = AnyStreamer::from(memory);
    assert!(format!("{any:?}").contains("streams: 1"), "{any:?}");
}

#[test]
fn options_stand_in_the_url() {
    let any = AnyStreamer::from_url("memory://?capacity=5000&publish_timeout=5s");
    let any = format!("{:?}", any.expect("chosen"));
    assert!(any.contains("capacity: 5000"), "{any}");
    assert!(any.contains("publish_timeout: 5s"), "{any}");
}

#[test]
fn a_url_without_a_scheme_is_refused() {
    assert!(refused("localhost:9092").contains("begins with a scheme"));
}

/// As of one that has an address where its scheme belongs.
#[test]
fn what_is_no_scheme_is_not_shown() {
    let error = refused("user:secret@host?of=nats://localhost");
    assert!(error.contains("begins with a scheme"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn a_scheme_that_nobody_has_is_refused_with_those_there_are() {
    let error = refused("pigeon://roof");
    assert!(error.contains("`pigeon://`"), "{error}");
    assert!(
        error.contains("memory, kafka, nats, tls, amqp and amqps"),
        "{error}"
    );
}

#[test]
fn an_option_that_is_unknown_is_refused_with_its_name() {
    let error = refused("memory://?capacitee=1");
    assert!(error.contains("unknown field `capacitee`"), "{error}");
}

#[test]
fn an_option_that_is_given_twice_is_refused() {
    assert!(refused("memory://?streams=1&streams=2").contains("`streams` is twice"));
}

#[cfg(feature = "kafka")]
#[test]
fn a_user_in_the_url_of_kafka_is_refused_and_not_shown() {
    let error = refused("kafka://blog:hunter2@localhost:9092");
    assert!(error.contains("with_sasl"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[cfg(feature = "amqp")]
#[test]
fn what_may_be_part_of_a_password_is_not_shown() {
    let error = refused("amqp://blog:hun?ter2@localhost");
    assert!(error.contains("%3F"), "{error}");
    assert!(!error.contains("ter2"), "{error}");
}

#[cfg(feature = "nats")]
#[test]
fn a_password_of_digits_is_a_text() {
    let any = AnyStreamer::from_url("nats://localhost:4222?user=7&password=12345");
    assert!(!format!("{:?}", any.expect("chosen")).contains("12345"));
}

#[cfg(feature = "kafka")]
#[test]
fn options_of_the_client_library_stand_in_the_url_as_texts() {
    let url = "kafka://localhost:9092?consumer_options.session.timeout.ms=6000\
               &consumer_options.check.crcs=true&options.client.id=1e3&partitions=3";
    let any = format!("{:?}", AnyStreamer::from_url(url).expect("chosen"));
    for part in [
        r#""session.timeout.ms": "6000""#,
        r#""check.crcs": "true""#,
        r#""client.id": "1e3""#,
        "partitions: 3",
    ] {
        assert!(any.contains(part), "{part}: {any}");
    }
    let error = refused("kafka://localhost:9092?options.a=1&options.a=2");
    assert!(error.contains("`options.a` is twice"), "{error}");
    let error = refused("kafka://localhost:9092?partitions=3&partitions.a=2");
    assert!(error.contains("`partitions.a` is twice"), "{error}");
}

#[cfg(all(feature = "kafka", feature = "nats", feature = "amqp"))]
#[test]
fn an_option_whose_value_is_wrong_is_named() {
    for (url, option) in [
        ("kafka://localhost:9092?create_topics=yes", "create_topics"),
        ("nats://localhost?publish_timeout=5", "publish_timeout"),
        ("amqp://localhost?streams=four", "streams"),
    ] {
        let error = refused(url);
        assert!(
            error.contains(&format!("the option `{option}` of the URL")),
            "{error}"
        );
    }
}

#[cfg(feature = "nats")]
#[test]
fn a_number_of_the_client_library_stands_in_the_url_as_one() {
    let any = AnyStreamer::from_url("nats://localhost?stream_options.max_age=60000000000");
    let any = format!("{:?}", any.expect("chosen"));
    assert!(any.contains("Number(60000000000)"), "{any}");
}

#[cfg(feature = "amqp")]
#[tokio::test]
async fn the_parameters_of_an_address_of_amqp_stay_in_it() {
    let chosen = |of_address| {
        let url = format!("amqp://localhost?{of_address}&create_topics=true");
        AnyStreamer::from_url(&url).expect("chosen")
    };
    let plain =
        "heartbeat=5&connection_timeout=1&frame_max=8192&channel_max=9&auth_mechanism=plain";
    let any = format!("{:?}", chosen(plain));
    assert!(any.contains("create_topics: true"), "{any}");
    // They are read there.
    let wrong = chosen("heartbeat=often").connect().await;
    let error = wrong.expect_err("no number").to_string();
    assert!(error.contains("the address is none like"), "{error}");
}

#[test]
fn in_a_configuration_file_it_is_the_url() {
    let read = serde_json::from_str::<AnyStreamer>;
    let any = read(r#""memory://?capacity=5000""#).expect("chosen");
    assert!(format!("{any:?}").contains("capacity: 5000"), "{any:?}");
    for (wrong, why) in [
        (r#""pigeon://roof""#, "`pigeon://`"),
        (r#""memory://?capacitee=1""#, "unknown field `capacitee`"),
        ("7", "expected a string"),
    ] {
        let error = read(wrong).expect_err("refused").to_string();
        assert!(error.contains(why), "{error}");
    }
}

/// What the check of an app that has this streamer says, without a connection.
#[cfg(any(feature = "kafka", feature = "nats", feature = "amqp"))]
fn faults(main: impl Into<AnyStreamer>) -> String {
    let main = main.into();
    let app = App::new("shop").streamers(Streamers { main });
    app.check()
        .map_or_else(|faults| faults.to_string(), |()| String::new())
}

#[cfg(feature = "kafka")]
#[test]
fn a_wrong_option_of_kafka_is_found_by_the_check() {
    use fanfare::streamers::{Kafka, Sasl, Secret, Tls};
    let kafka = || Kafka::new("localhost:9092");
    for (wrong, why) in [
        (kafka().with_option("linger.sm", "5"), "`linger.sm`"),
        (
            kafka().with_consumer_option("fetch.min.bytes", "none"),
            "`fetch.min.bytes`",
        ),
        (kafka().with_producer_option("acks", "1"), "`acks`"),
        (Kafka::new("blog:hunter2@localhost"), "with_sasl"),
    ] {
        let faults = faults(wrong);
        assert!(faults.contains("streamer `main`"), "{faults}");
        assert!(faults.contains(why), "{why}: {faults}");
        assert!(!faults.contains("hunter2"), "{faults}");
    }
    // Where it is checked, neither the secret nor the certificate needs to be.
    let sasl = Sasl::plain("blog", Secret::from_env("IT_IS_NOT_SET"));
    let kafka = kafka().with_sasl(sasl);
    let tls = Tls::new().with_authority("/nowhere/ca.pem");
    assert_eq!(faults(kafka.with_tls(tls)), "");
}

#[cfg(feature = "nats")]
#[test]
fn a_wrong_option_of_nats_is_found_by_the_check() {
    use fanfare::streamers::{Nats, Secret, Tls};
    use std::time::Duration;
    let nats = || Nats::new("nats://localhost");
    let found = faults(nats().with_ack_wait(Duration::ZERO));
    assert!(found.contains("with_ack_wait"), "{found}");
    let found = faults(nats().with_stream_option("storage", "memory"));
    assert!(found.contains("`storage`"), "{found}");
    let found = faults(Nats::new("nats://local host"));
    assert!(found.contains("the server number 1"), "{found}");
    let right = nats().with_token(Secret::from_env("IT_IS_NOT_SET"));
    let right = right.with_tls(Tls::new().with_authority("/nowhere/ca.pem"));
    let found = faults(right);
    // It does not order across instances, which is another fault.
    assert!(!found.contains("the options of"), "{found}");
}

#[cfg(feature = "amqp")]
#[test]
fn a_wrong_option_of_amqp_is_found_by_the_check() {
    use fanfare::streamers::{Amqp, Secret, Tls};
    for (wrong, why) in [
        (
            Amqp::new("amqp://localhost").with_queue_argument("x-expires", 1),
            "`x-expires`",
        ),
        (Amqp::new("localhost"), "the address is none like"),
        (
            Amqp::new("amqp://localhost").with_tls(Tls::new()),
            "not encrypted",
        ),
        (
            Amqp::new("amqp://localhost").with_management("hunter2@localhost:15672"),
            "`http://localhost:15672`",
        ),
        (
            Amqp::new("amqp://localhost").with_management("amqp://localhost:15672"),
            "`http://localhost:15672`",
        ),
    ] {
        let faults = faults(wrong);
        assert!(faults.contains("streamer `main`"), "{faults}");
        assert!(faults.contains(why), "{why}: {faults}");
        assert!(!faults.contains("hunter2"), "{faults}");
    }
    let right = Amqp::new("amqp://localhost").with_management("http://[::1]:15672/rabbit");
    assert_eq!(faults(right), "");
    let right =
        Amqp::new("amqps://localhost").with_login("blog", Secret::from_env("IT_IS_NOT_SET"));
    let right = right.with_tls(Tls::new().with_authority("/nowhere/ca.pem"));
    assert_eq!(faults(right), "");
}

#[cfg(feature = "kafka")]
#[test]
fn a_kafka_without_an_address_is_found_without_a_connection() {
    let kafka = AnyStreamer::from_url("kafka://").expect("chosen");
    let error = Streamer::check(&kafka).expect_err("no address").to_string();
    assert!(error.contains("Kafka has no address"), "{error}");
}

#[cfg(feature = "nats")]
#[test]
fn more_replicas_than_there_can_be_are_found_without_a_connection() {
    for (replicas, is_right) in [(0, false), (1, true), (5, true), (6, false)] {
        let url = format!("nats://localhost?replicas={replicas}");
        let nats = AnyStreamer::from_url(&url).expect("chosen");
        assert_eq!(Streamer::check(&nats).is_ok(), is_right, "{replicas}");
    }
}
