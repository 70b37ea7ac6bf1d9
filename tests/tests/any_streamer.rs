//! A streamer that is chosen at run time.

use std::num::NonZeroUsize;

use fanfare::prelude::*;
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
