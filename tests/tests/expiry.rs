//! Events that lose their worth.

use std::time::{Duration, SystemTime};

use fanfare::event::Envelope;
use fanfare::prelude::*;
use fanfare::{Error, Running};
use fanfare_tests::{Heard, Log, Spy, Tell, channel, event, extension, listen, publish};

#[derive(Streamers)]
struct Streamers {
    main: Spy,
}

#[event(
    stream_to = [streamer!("main", "offers"), streamer!("main", "rows")],
    expires_after = "1h"
)]
struct Offer {
    cents: u32,
}

#[event_handler(streamed_from = streamer!("main", "offers"), retry(backoff = "1s..1s"))]
async fn buy(offer: Offer, State(tell): State<Tell<u32>>) -> Result<()> {
    tell.tell(offer.cents);
    match offer.cents {
        13 => Err(Error::msg("never")),
        _ => Ok(()),
    }
}

#[event_handler(streamed_from = streamer!("main", "rows"), batch(max = 3, within = "1s"))]
async fn rows(offers: Vec<Offer>, State(tell): State<Tell<u32>>) -> Result<()> {
    for offer in offers {
        tell.tell(offer.cents);
    }
    Ok(())
}

async fn start() -> (Spy, Heard<u32>, Running, Log) {
    let log = Log::listen();
    let spy = Spy::default();
    let (tell, heard) = channel::<u32>();
    let streamers = Streamers { main: spy.clone() };
    let app = App::new("shop").streamers(streamers).state(tell);
    (spy, heard, app.start().await.expect("started"), log)
}

fn offer(cents: u32, expires: &str) -> Envelope {
    let offer = event("Offer", &format!(r#"{{"cents":{cents}}}"#));
    offer.with_extension("expirytime", expires).expect("valid")
}

const LONG_AGO: &str = "2020-01-01T00:00:00Z";
const LONG_TO_GO: &str = "2999-01-01T00:00:00+01:00";

#[tokio::test(start_paused = true)]
async fn an_event_that_has_expired_is_acknowledged_and_counted_and_not_handled() {
    let (spy, mut heard, running, log) = start().await;
    let mut letters = listen(spy.memory(), "offers.dead-letters").await;
    let expired = offer(1, LONG_AGO);
    publish(spy.memory(), "offers", expired.clone()).await;
    publish(spy.memory(), "offers", offer(2, LONG_TO_GO)).await;
    assert_eq!(heard.next().await, 2);
    spy.acknowledged(2).await;
    let counts = running.counts();
    let counts = counts.iter().find(|counts| counts.handler == "buy");
    let counts = counts.expect("counted");
    assert_eq!((counts.handled, counts.expired), (1, 1));
    assert!(counts.to_string().ends_with("0 dead-lettered, 1 expired"));
    let id = expired.id().to_string();
    log.wait_for(1, &["expired", &id]).await;
    assert!(letters.rest().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_batch_goes_without_what_has_expired() {
    let (spy, mut heard, running, _log) = start().await;
    for (cents, expires) in [(1, LONG_TO_GO), (2, LONG_AGO), (3, LONG_TO_GO)] {
        publish(spy.memory(), "rows", offer(cents, expires)).await;
    }
    let mut both = [heard.next().await, heard.next().await];
    both.sort_unstable();
    assert_eq!(both, [1, 3]);
    running
        .shutdown()
        .await
        .expect("everything is acknowledged");
}

/// Looks after the dead letters.
#[event_handler(streamed_from = streamer!("main", "dead"))]
async fn look_after(_letter: RawEvent, State(tell): State<Tell<u32>>) -> Result<()> {
    tell.tell(999);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_does_not_expire() {
    let (spy, mut heard, _running, _log) = start().await;
    let letter = offer(1, LONG_AGO).with_extension("deadletterreason", "unlucky");
    publish(spy.memory(), "dead", letter.expect("valid")).await;
    assert_eq!(heard.next().await, 999);
}

#[tokio::test(start_paused = true)]
async fn an_expiry_that_is_no_time_loses_nothing() {
    let (spy, mut heard, _running, _log) = start().await;
    publish(spy.memory(), "offers", offer(1, "tomorrow")).await;
    assert_eq!(heard.next().await, 1);
}

#[tokio::test]
async fn an_event_that_expires_between_attempts_is_not_tried_again() {
    let (spy, mut heard, running, _log) = start().await;
    let soon = SystemTime::now() + Duration::from_millis(300);
    let soon = jiff::Timestamp::try_from(soon).expect("a time").to_string();
    publish(spy.memory(), "offers", offer(13, &soon)).await;
    spy.acknowledged(1).await;
    assert_eq!(heard.rest(), [13]);
    assert_eq!(running.counts()[0].expired, 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_says_when_it_expires() {
    let (spy, _heard, running, _log) = start().await;
    let mut offers = listen(spy.memory(), "offers").await;
    running
        .publisher()
        .publish(Offer { cents: 1 })
        .await
        .expect("published");
    let offer = offers.next_event().await;
    let announced = offer.time().expect("a time");
    assert_eq!(offer.expires(), Some(announced + Duration::from_hours(1)));
    assert!(extension(&offer, "expirytime").ends_with('Z'));
}
