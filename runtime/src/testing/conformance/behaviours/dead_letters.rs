//! What is not handled: it is not lost, unless it has lost its worth.

use bytes::Bytes;

use crate::event::cloudevents::extension::EXPIRY_TIME;
use crate::event::{Envelope, EnvelopeError, Foreign, Message};
use crate::testing::conformance::hand::{Act, Call, Ear, Role, Works};
use crate::testing::conformance::jobs::{half_a_job, job, job_event, jobs, name_of};
use crate::testing::conformance::messages::{Tally, difference, known_headers, texts};
use crate::testing::conformance::scene::{Scene, Subscriber, one};
use crate::testing::conformance::service::{FOUR_AT_A_TIME, POLICY, STREAMER, Service};
use crate::testing::conformance::{Capability, Factory, Failure};

// What a dead letter says, beside what it was.
const REASON: &str = "deadletterreason";
const HANDLER: &str = "deadletterhandler";
const ORIGIN: &str = "deadletterorigin";
const ATTEMPTS: &str = "deadletterattempts";

/// What cannot be decoded goes to the dead letters at once and once, with its bytes and with what
/// stood beside them, and says why; the next event is handled.
pub async fn undecodable_input_is_dead_lettered<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let mut letters = scene.dead_letters(&connection, &topic).await?;
    let mut ear = Ear::new(scene.clock);
    let service = Service::of(&scene).handler::<Works>(&topic, POLICY);
    let app = service.start(&ear.hand(|_| Act::Succeed)).await?;
    for (number, sent) in undecodable().into_iter().enumerate() {
        let next = format!("good {number}");
        let batch = [sent.clone(), job("key", &next)];
        connection.publish(&topic, batch).await?;
        ear.expect(&next, 1).await?;
        let letter = letters.next("a dead letter").await?;
        if let Some(difference) = letter_difference::<F>(&sent, letter.message(), &topic) {
            return Err(scene.clock.fail("a dead letter as it came", difference));
        }
        letter.acknowledge();
    }
    let silence = "no dead letter a second time";
    letters.expect_nothing(silence).await?;
    ear.expect_nothing("no attempt at what cannot be decoded")
        .await?;
    app.shutdown().await
}

fn undecodable() -> Vec<Message> {
    let bytes = Bytes::from_static(&[0, 255, b'{', 13, 10, 128]);
    let foreign = Foreign::new(bytes)
        .with_header("sensor", "cellar".into())
        .with_header("x-place", "Köln, 北京".into())
        .with_key("key".into());
    vec![half_a_job("key", "half"), foreign.into()]
}

/// Where a dead letter differs from what was published, but for what it says.
fn letter_difference<F: Factory>(sent: &Message, came: &Message, topic: &str) -> Option<String> {
    let has = |capability| F::CAPABILITIES.contains(&capability);
    let different = match (sent, came) {
        (Message::Event(sent), Message::Event(came)) => match with_what_it_says(sent, came) {
            Ok(sent) => difference(&sent.into(), &Message::Event(came.clone())),
            Err(error) => Some(error.to_string()),
        },
        (Message::Foreign(foreign), _) => {
            let headers = known_headers(foreign, came);
            let same_headers = headers.iter().copied().eq(foreign.headers());
            difference(sent, came).or_else(|| {
                if has(Capability::Headers) && !same_headers {
                    Some(format!("the headers {headers:?}"))
                } else if has(Capability::Key) && came.key() != sent.key() {
                    Some(format!("the key {:?}", came.key()))
                } else {
                    None
                }
            })
        }
        _ => difference(sent, came),
    };
    // Without headers, a message that is no event has no place for it.
    let says = came.event().is_some() || has(Capability::Headers);
    different.or_else(|| says.then(|| unsaid(came, topic, 1))?)
}

/// The event, with what the dead letter says of it.
fn with_what_it_says(sent: &Envelope, came: &Envelope) -> Result<Envelope, EnvelopeError> {
    let says = [REASON, HANDLER, ORIGIN, ATTEMPTS];
    let mut says = says
        .into_iter()
        .filter_map(|name| Some((name, came.extension(name)?)));
    says.try_fold(sent.clone(), |sent, (name, value)| {
        sent.with_extension(name, value.clone())
    })
}

/// What a dead letter does not say as it should.
fn unsaid(letter: &Message, topic: &str, attempts: u32) -> Option<String> {
    let said = |name| said(letter, name);
    let reason = said(REASON).is_some_and(|reason| !reason.is_empty());
    let handler = said(HANDLER).as_deref() == Some(Works::NAME);
    let place = format!("{STREAMER}/{topic}/");
    let origin = said(ORIGIN).is_some_and(|origin| origin.starts_with(&place));
    let counted = said(ATTEMPTS) == Some(attempts.to_string());
    let all = [
        (REASON, reason),
        (HANDLER, handler),
        (ORIGIN, origin),
        (ATTEMPTS, counted),
    ];
    let wrong = all.into_iter().find(|(_, is_right)| !is_right);
    wrong.map(|(name, _)| format!("`{name}` as {:?}", said(name)))
}

fn said(letter: &Message, name: &str) -> Option<String> {
    match letter {
        Message::Event(event) => Some(event.extension(name)?.to_string()),
        Message::Foreign(foreign) => {
            let value = foreign.header(name)?;
            Some(String::from_utf8_lossy(value).into_owned())
        }
    }
}

/// The next dead letter is of the job of this name, after so many attempts; it is acknowledged.
pub(super) async fn expect_letter<F: Factory>(
    scene: &Scene<F>,
    letters: &mut Subscriber,
    name: &str,
    attempts: u32,
) -> Result<(), Failure> {
    let expected = format!("the dead letter of `{name}` after {attempts} attempts");
    let letter = letters.next(&expected).await?;
    let (came, count) = (name_of(letter.message()), said(letter.message(), ATTEMPTS));
    if came != name || count != Some(attempts.to_string()) {
        let came = format!("that of `{came}` after {count:?}");
        return Err(scene.clock.fail(expected, came));
    }
    letter.acknowledge();
    Ok(())
}

/// An error or a panic of a handler is no acknowledgement: whatever fails, every event is handled
/// or dead-lettered, once, and none is missing.
pub async fn an_error_is_no_acknowledgement<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let mut letters = scene.dead_letters(&connection, &topic).await?;
    let mut ear = Ear::new(scene.clock);
    let service = Service::of(&scene).handler::<Works>(&topic, FOUR_AT_A_TIME);
    let app = service.start(&ear.hand(by_name)).await?;
    let of = |kind| texts(kind, 0..15);
    let (well, recovers) = (of("well"), of("recovers"));
    let (fails, panics) = (of("fails"), of("panics"));
    let in_turn = (0..15).flat_map(|number| {
        [&well, &fails, &panics, &recovers].map(|kind: &Vec<String>| kind[number].clone())
    });
    let all: Vec<_> = in_turn.collect();
    connection.publish(&topic, jobs(&all)).await?;

    let mut lettered = Tally::of(&[fails, panics].concat());
    while lettered.is_waiting() {
        let letter = letters.next("a dead letter").await.map_err(|failure| {
            let came = format!("{}, and then {}", lettered.came(), failure.came());
            scene.clock.fail(lettered.expected(), came)
        })?;
        lettered.count(&name_of(letter.message()));
        letter.acknowledge();
    }
    lettered.check(&scene.clock)?;
    let mut handled = Tally::of(&[well, recovers].concat());
    ear.count(&mut handled).await?;
    letters
        .expect_nothing("no dead letter of what was handled")
        .await?;
    for told in ear.rest() {
        told.count(&mut handled);
    }
    handled.check(&scene.clock)?;
    app.shutdown().await
}

/// An event whose `expirytime` has passed is neither handled nor dead-lettered; one that has time
/// left is handled.
pub async fn an_expired_event_is_not_handled<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let mut letters = scene.dead_letters(&connection, &topic).await?;
    let mut ear = Ear::new(scene.clock);
    let service = Service::of(&scene).handler::<Works>(&topic, POLICY);
    let app = service.start(&ear.hand(|_| Act::Succeed)).await?;
    let times = [
        ("late", "2001-02-03T04:05:06Z"),
        ("in time", "2999-12-31T23:59:59Z"),
    ];
    for (name, time) in times {
        let event = job_event("key", name).with_extension(EXPIRY_TIME, time);
        let event = event.map_err(|error| scene.clock.fail("an event", error.to_string()))?;
        connection.publish(&topic, [event.into()]).await?;
    }
    ear.expect("in time", 1).await?;
    ear.expect_nothing("nothing but what has time left").await?;
    letters
        .expect_nothing("no dead letter of what expires")
        .await?;
    app.shutdown().await
}

fn by_name(call: &Call) -> Act {
    let is_first = call.attempt == 1;
    match call.name.split_once(' ') {
        Some(("fails", _)) => Act::Fail,
        Some(("panics", _)) => Act::Panic,
        Some(("recovers", number)) if is_first && number.ends_with(['0', '2', '4']) => Act::Panic,
        Some(("recovers", _)) if is_first => Act::Fail,
        _ => Act::Succeed,
    }
}
