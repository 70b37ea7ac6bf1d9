//! What handlers publish: when it appears, and what it says of its cause.

use crate::event::cloudevents::extension::{CAUSATION_ID, CORRELATION_ID, TRACEPARENT};
use crate::event::{EnvelopeError, Event, Message, printable};
use crate::handler::Metadata;
use crate::testing::conformance::failure::Clock;
use crate::testing::conformance::hand::{Act, Announces, Ear, Hears, Role, Told};
use crate::testing::conformance::jobs::{Done, Job, job, job_event, saying_of};
use crate::testing::conformance::scene::{Scene, Subscriber, one, shared};
use crate::testing::conformance::service::{POLICY, Service};
use crate::testing::conformance::{Factory, Failure};

const ORIGIN: &str = "origin";

/// What a handler publishes appears when it succeeds, and what it published in an attempt that
/// failed never does.
pub async fn what_a_handler_publishes_waits_for_its_success<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let done = scene.topic("done").await?;
    let mut said = connection.subscribe(&done, shared("group"), 10).await?;
    let mut letters = scene.dead_letters(&connection, &topic).await?;
    let mut ear = Ear::new(scene.clock);
    let service = Service::of(&scene)
        .event::<Done>(&done)
        .handler::<Announces>(&topic, POLICY);
    let hand = ear.hand(|call| match (&*call.name, call.attempt) {
        ("fails", _) | ("recovers", 1) => Act::Fail,
        ("recovers", 2) => Act::Panic,
        ("waits", _) => Act::Hold,
        _ => Act::Succeed,
    });
    let app = service.start(&hand).await?;
    let give = async |name| connection.publish(&topic, [job("key", name)]).await;
    give("fails").await?;
    letters.next("its dead letter").await?.acknowledge();
    give("recovers").await?;
    expect_saying(&scene, &mut said, "recovers@3").await?;
    ear.rest();
    give("waits").await?;
    ear.expect("waits", 1).await?;
    let silence = "nothing before the handler has succeeded";
    said.expect_nothing(silence).await?;
    hand.let_go();
    expect_saying(&scene, &mut said, "waits@1").await?;
    said.expect_nothing("nothing a second time").await?;
    app.shutdown().await
}

async fn expect_saying<F: Factory>(
    scene: &Scene<F>,
    said: &mut Subscriber,
    saying: &str,
) -> Result<(), Failure> {
    let next = said.next(saying).await?;
    let came = saying_of(next.message());
    if came != saying {
        return Err(scene.clock.fail(saying, came));
    }
    next.acknowledge();
    Ok(())
}

/// What an app publishes comes to a handler as it was published; and what that handler publishes
/// says what caused it, what began it, and where.
pub async fn what_a_handler_publishes_says_its_cause<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let clock = &scene.clock;
    let done = scene.topic("done").await?;
    let mut ear = Ear::new(scene.clock);
    let service = Service::of(&scene)
        .event::<Job>(&topic)
        .event::<Done>(&done)
        .handler::<Announces>(&topic, POLICY)
        .handler::<Hears>(&done, POLICY);
    let app = service.start(&ear.hand(|_| Act::Succeed)).await?;

    let (key, name) = ("ключ".to_owned(), "ours".to_owned());
    let published = app.publisher().publish(Job { key, name }).await;
    let id = published.map_err(|error| clock.fail("to publish", error.to_string()))?;
    let id = id.to_string();
    let (first, second) = (
        heard_by::<Announces>(&mut ear, clock).await?,
        heard_by::<Hears>(&mut ear, clock).await?,
    );
    check_attributes(&first, &id, &service.name, clock)?;
    let origin = printable(&first.call.origin);
    let causes = [
        (CORRELATION_ID, &*id),
        (CAUSATION_ID, &id),
        (ORIGIN, &origin),
    ];
    check_causes(&second, &causes, clock)?;

    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let chain = [
        (CORRELATION_ID, "order 7"),
        (ORIGIN, "elsewhere"),
        (TRACEPARENT, trace),
    ];
    let theirs = chain
        .iter()
        .try_fold(job_event("key", "theirs"), |event, (name, value)| {
            event.with_extension(name, *value)
        });
    let theirs =
        theirs.map_err(|error: EnvelopeError| clock.fail("an event", error.to_string()))?;
    let id = theirs.id().to_string();
    connection.publish(&topic, [Message::Event(theirs)]).await?;
    heard_by::<Announces>(&mut ear, clock).await?;
    let second = heard_by::<Hears>(&mut ear, clock).await?;
    check_causes(&second, &chain, clock)?;
    check_causes(&second, &[(CAUSATION_ID, &id)], clock)?;
    app.shutdown().await
}

async fn heard_by<R: Role>(ear: &mut Ear, clock: &Clock) -> Result<Told, Failure> {
    let expected = format!("an event for `{}`", R::NAME);
    let told = ear.next(&expected).await?;
    if told.call.handler != R::NAME {
        let came = format!("one for `{}`", told.call.handler);
        return Err(clock.fail(expected, came));
    }
    Ok(told)
}

/// Whether what an app published has all that it should have.
fn check_attributes(told: &Told, id: &str, source: &str, clock: &Clock) -> Result<(), Failure> {
    let metadata = &told.call.metadata;
    let event = told.call.message.event();
    let schema = event.and_then(|event| event.schema());
    let all = [
        ("id", metadata.id().map(ToString::to_string), id),
        ("source", metadata.source().map(Into::into), source),
        ("type", metadata.name().map(Into::into), Job::NAME),
        ("partitionkey", metadata.key().map(Into::into), "ключ"),
        ("dataschema", schema.map(Into::into), Job::SCHEMA),
        (
            "datacontenttype",
            told.call.message.content_type().map(Into::into),
            "application/json",
        ),
    ];
    for (name, came, expected) in all {
        if came.as_deref() != Some(expected) {
            return Err(clock.fail(format!("`{name}` as {expected}"), format!("{came:?}")));
        }
    }
    if metadata.time().is_none() {
        return Err(clock.fail("a time", "none"));
    }
    let cause = extension(metadata, CAUSATION_ID);
    cause.map_or(Ok(()), |cause| {
        Err(clock.fail("no cause of the first event", cause))
    })
}

fn check_causes(told: &Told, causes: &[(&str, &str)], clock: &Clock) -> Result<(), Failure> {
    for (name, expected) in causes {
        let came = extension(&told.call.metadata, name);
        if came.as_deref() != Some(*expected) {
            return Err(clock.fail(format!("`{name}` as {expected}"), format!("{came:?}")));
        }
    }
    Ok(())
}

fn extension(metadata: &Metadata, name: &str) -> Option<String> {
    metadata.extension(name).map(ToString::to_string)
}
