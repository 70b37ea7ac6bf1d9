//! What comes is what was published, byte for byte.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::event::cloudevents::structured;
use crate::event::{AttributeValue, Envelope, EnvelopeParts, EventId, Foreign, Message};
use crate::testing::conformance::messages::{event, known_headers};
use crate::testing::conformance::scene::{Scene, one, shared};
use crate::testing::conformance::{Factory, Failure};

/// An event and a message that is none, each without a payload.
pub async fn empty_payload<F: Factory>() -> Result<(), Failure> {
    comes_intact::<F>("no payload", parts(b"")).await?;
    foreign_comes_intact::<F>(Foreign::new(Bytes::new())).await
}

/// A payload as large as the factory says: 1 MiB, if it says nothing.
pub async fn large_payload<F: Factory>() -> Result<(), Failure> {
    // Of a prime period, so that a part that is lost or doubled shows.
    let payload: Vec<u8> = (0..251).cycle().take(F::LARGE_PAYLOAD).collect();
    comes_intact::<F>("a large payload", parts(&payload)).await
}

/// A payload of all bytes there are, which is no text in any encoding.
pub async fn binary_payload<F: Factory>() -> Result<(), Failure> {
    let payload: Vec<u8> = (0..=255).rev().chain([0, 0, 255, 13, 10, 26]).collect();
    comes_intact::<F>("a binary payload", parts(&payload)).await?;
    foreign_comes_intact::<F>(Foreign::new(payload.into())).await
}

/// Text beyond ASCII in the payload, the key and the attributes, and what some protocols escape.
pub async fn non_ascii_text<F: Factory>() -> Result<(), Failure> {
    let text = "Zoë sagt: „Grüße“ 漢字 🎉 \"100 %\" %C3%A9";
    let mut parts = parts(text.as_bytes());
    parts.subject = Some(text.into());
    parts.key = Some("ключ".into());
    parts.extensions = vec![("note".into(), AttributeValue::from(text))];
    comes_intact::<F>("text beyond ASCII", parts).await
}

/// Every attribute of `CloudEvents` comes as it was, those that nobody knows among them.
pub async fn cloudevents_attributes<F: Factory>() -> Result<(), Failure> {
    let mut parts = parts(b"{\"title\": \"Hello\"}");
    parts.source = "https://example.org/blog?a=b#c".into();
    parts.kind = "org.example.blog.post-created".into();
    parts.subject = Some("posts/17".into());
    parts.time = Some(SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789));
    parts.content_type = Some("application/json; charset=utf-8".into());
    parts.schema = Some("urn:fanfare:event:PostCreated:2".into());
    parts.key = Some("post-17".into());
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    parts.extensions = vec![
        ("correlationid".into(), AttributeValue::from("order 7")),
        ("draft".into(), AttributeValue::from(true)),
        ("empty".into(), AttributeValue::from("")),
        ("revision".into(), AttributeValue::from(-7)),
        ("traceparent".into(), AttributeValue::from(trace)),
    ];
    comes_intact::<F>("all attributes", parts.clone()).await?;
    parts.id = EventId::from(uuid::Uuid::nil());
    comes_intact::<F>("an id that another service chose", parts).await
}

/// A message that is no event stays none, and comes with its bytes, whatever they look like.
pub async fn foreign_payloads<F: Factory>() -> Result<(), Failure> {
    let payloads = [
        "plain text",
        "{\"title\": \"no event\"}",
        "{\"specversion\": \"1.0\"",
    ];
    for payload in payloads {
        foreign_comes_intact::<F>(Foreign::new(payload.into())).await?;
    }
    Ok(())
}

/// A message that is no event comes with its headers and its media type.
pub async fn foreign_headers<F: Factory>() -> Result<(), Failure> {
    let foreign = Foreign::new("21.5".into())
        .with_header("sensor", "cellar".into())
        .with_header("x-place", "Köln, 北京".into())
        .with_content_type("text/csv");
    let came = round_trip::<F>(foreign.clone().into()).await?;
    check_headers::<F>(&foreign, &came).await?;
    let media_type = came.content_type();
    if media_type != foreign.content_type() {
        let scene = Scene::<F>::open().await?;
        return Err(scene
            .clock
            .fail("the media type `text/csv`", format!("{media_type:?}")));
    }
    Ok(())
}

/// The value of a header may be any bytes, and a name may repeat.
pub async fn binary_headers<F: Factory>() -> Result<(), Failure> {
    let foreign = Foreign::new("21.5".into())
        .with_header("bytes", Bytes::from_static(&[0, 255, 10, 13, 128]))
        .with_header("twice", "first".into())
        .with_header("twice", "second".into())
        .with_header("empty", Bytes::new());
    let came = round_trip::<F>(foreign.clone().into()).await?;
    check_headers::<F>(&foreign, &came).await
}

/// A message that is no event comes with its key.
pub async fn foreign_keys<F: Factory>() -> Result<(), Failure> {
    let foreign = Foreign::new("21.5".into()).with_key("cellar".into());
    let came = round_trip::<F>(foreign.into()).await?;
    if came.key() != Some(b"cellar") {
        let scene = Scene::<F>::open().await?;
        return Err(scene
            .clock
            .fail("the key `cellar`", format!("{:?}", came.key())));
    }
    Ok(())
}

/// What a stranger publishes with the broker's own client arrives, before and after events.
pub async fn a_raw_message_arrives<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let mut subscriber = connection.subscribe(&topic, shared("group"), 10).await?;
    let raw = Foreign::new("not from here".into());
    for time in 0..2 {
        let publishing = scene.factory.publish_raw(&topic, raw.clone());
        let published = scene.clock.wait("a raw publish", publishing).await?;
        published.map_err(|error| scene.clock.fail("a raw publish", error.to_string()))?;
        let sent = Message::Foreign(raw.clone());
        subscriber.expect_same("a raw message", &sent).await?;
        let sent = event(Some("key"), &format!("event {time}"));
        connection.publish(&topic, [sent.clone()]).await?;
        subscriber
            .expect_same("an event beside raw messages", &sent)
            .await?;
    }
    Ok(())
}

/// A stranger's event in structured mode is an event; and one that is broken comes with every byte,
/// and with what is wrong with it.
pub async fn structured_events_of_strangers<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let mut subscriber = connection.subscribe(&topic, shared("group"), 10).await?;
    let mut sent = parts(b"{\"title\": \"Hello\"}");
    sent.content_type = Some("application/json".into());
    sent.subject = Some("Zoë".into());
    let sent = Envelope::announce(sent);
    let structured = structured::to_json(&sent);
    let broken = structured.slice(..structured.len() / 2);
    for payload in [structured, broken.clone()] {
        let raw = Foreign::new(payload).with_content_type(structured::CONTENT_TYPE);
        let publishing = scene.factory.publish_raw(&topic, raw);
        let published = scene.clock.wait("a raw publish", publishing).await?;
        published.map_err(|error| scene.clock.fail("a raw publish", error.to_string()))?;
    }
    // Without a key they may come in any order.
    let (mut as_event, mut as_broken) = (false, false);
    for delivery in subscriber.hold(2).await? {
        match delivery.message() {
            Message::Event(came) if *came == sent => as_event = true,
            Message::Foreign(came) if came.fault().is_some() && *came.payload() == broken => {
                as_broken = true;
            }
            other => {
                let expected = "an event in structured mode, and a broken one with its bytes";
                return Err(scene.clock.fail(expected, format!("{other:?}")));
            }
        }
        delivery.acknowledge();
    }
    if as_event && as_broken {
        return Ok(());
    }
    Err(scene.clock.fail("two messages", "one of them twice"))
}

/// An event with nothing but what it must have, and a payload.
fn parts(payload: &[u8]) -> EnvelopeParts {
    let content_type = (!payload.is_empty()).then(|| "application/octet-stream".into());
    EnvelopeParts {
        id: EventId::new(),
        source: "/conformance".into(),
        kind: "conformance.event".into(),
        subject: None,
        time: None,
        content_type,
        schema: None,
        key: None,
        extensions: Vec::new(),
        payload: Bytes::copy_from_slice(payload),
    }
}

async fn comes_intact<F: Factory>(what: &str, parts: EnvelopeParts) -> Result<(), Failure> {
    let sent = Message::Event(Envelope::announce(parts));
    let (_scene, connection, topic) = one::<F>().await?;
    let mut subscriber = connection.subscribe(&topic, shared("group"), 1).await?;
    connection.publish(&topic, [sent.clone()]).await?;
    subscriber.expect_same(what, &sent).await
}

async fn foreign_comes_intact<F: Factory>(sent: Foreign) -> Result<(), Failure> {
    let sent = Message::Foreign(sent);
    let (_scene, connection, topic) = one::<F>().await?;
    let mut subscriber = connection.subscribe(&topic, shared("group"), 1).await?;
    connection.publish(&topic, [sent.clone()]).await?;
    subscriber
        .expect_same("a message that is no event", &sent)
        .await
}

/// Publishes a message and takes it again.
async fn round_trip<F: Factory>(sent: Message) -> Result<Message, Failure> {
    let (_scene, connection, topic) = one::<F>().await?;
    let mut subscriber = connection.subscribe(&topic, shared("group"), 1).await?;
    connection.publish(&topic, [sent]).await?;
    let delivery = subscriber.next("the message").await?;
    let came = delivery.message().clone();
    delivery.acknowledge();
    Ok(came)
}

/// All headers that were sent came, in their order.
async fn check_headers<F: Factory>(sent: &Foreign, came: &Message) -> Result<(), Failure> {
    let came = known_headers(sent, came);
    if came.iter().copied().eq(sent.headers()) {
        return Ok(());
    }
    let scene = Scene::<F>::open().await?;
    let sent: Vec<_> = sent.headers().collect();
    Err(scene
        .clock
        .fail(format!("the headers {sent:?}"), format!("{came:?}")))
}
