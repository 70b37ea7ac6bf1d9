//! What goes wrong on the way to the broker.

use std::future::pending;
use std::sync::PoisonError;

use bytes::Bytes;
use fanfare::event::{Envelope, EventId, Foreign, Message};
use fanfare::streamer::{Outgoing, StreamError};
use fanfare_tests::event;

use crate::broken::{Broken, Fault};

pub(crate) struct Loses;

impl Fault for Loses {
    async fn publish(broken: &Broken<Self>, topic: &str, batch: &mut [Outgoing]) {
        for outgoing in batch.chunks_mut(1) {
            if broken.broker.one_in(7) {
                outgoing[0].report(Ok(()));
            } else {
                broken.publish_well(topic, outgoing).await;
            }
        }
    }
}

pub(crate) struct Duplicates;

impl Fault for Duplicates {
    async fn publish(broken: &Broken<Self>, topic: &str, batch: &mut [Outgoing]) {
        for outgoing in batch.chunks_mut(1) {
            if broken.broker.one_in(7) {
                broken.publish_well(topic, outgoing).await;
            }
            broken.publish_well(topic, outgoing).await;
        }
    }
}

/// The last of a batch goes first.
pub(crate) struct Reorders;

impl Fault for Reorders {
    async fn publish(broken: &Broken<Self>, topic: &str, batch: &mut [Outgoing]) {
        batch.reverse();
        broken.publish_well(topic, batch).await;
        batch.reverse();
    }
}

pub(crate) struct ConfirmsFailures;

impl Fault for ConfirmsFailures {
    async fn publish(broken: &Broken<Self>, topic: &str, batch: &mut [Outgoing]) {
        broken.publish_well(topic, batch).await;
        for outgoing in batch {
            outgoing.report(Ok(()));
        }
    }
}

/// If one of a batch fails, it says so of all.
pub(crate) struct FailsTogether;

impl Fault for FailsTogether {
    async fn publish(broken: &Broken<Self>, topic: &str, batch: &mut [Outgoing]) {
        let messages = batch.iter().map(|outgoing| outgoing.message().clone());
        let mut trial: Vec<_> = messages.map(Outgoing::new).collect();
        broken.publish_well(topic, &mut trial).await;
        let fails = trial
            .into_iter()
            .any(|outgoing| outgoing.into_result().is_err());
        for outgoing in batch {
            let failed = || Err(StreamError::new("the batch failed"));
            outgoing.report(if fails { failed() } else { Ok(()) });
        }
    }
}

pub(crate) struct HangsWhenMuchIsPublished;

impl Fault for HangsWhenMuchIsPublished {
    async fn publish(broken: &Broken<Self>, topic: &str, batch: &mut [Outgoing]) {
        if batch.len() > 500 {
            pending::<()>().await;
        }
        broken.publish_well(topic, batch).await;
    }
}

/// It confirms a batch at once, and sends it with the next one.
pub(crate) struct ConfirmsTooEarly;

impl Fault for ConfirmsTooEarly {
    async fn publish(broken: &Broken<Self>, topic: &str, batch: &mut [Outgoing]) {
        let messages = batch.iter().map(|outgoing| outgoing.message().clone());
        let next: Vec<_> = messages.map(Outgoing::new).collect();
        let mut kept = {
            let mut kept = broken.kept.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *kept, next)
        };
        broken.publish_well(topic, &mut kept).await;
        let failed = kept.into_iter().find_map(|kept| kept.into_result().err());
        for outgoing in batch {
            outgoing.report(match &failed {
                None => Ok(()),
                Some(error) => Err(StreamError::new(error.to_string())),
            });
        }
    }
}

pub(crate) struct WantsSubscribers;

impl Fault for WantsSubscribers {
    async fn publish(broken: &Broken<Self>, topic: &str, batch: &mut [Outgoing]) {
        if broken.broker.knows(topic) {
            return broken.publish_well(topic, batch).await;
        }
        for outgoing in batch {
            outgoing.report(Err(StreamError::new("nobody subscribes")));
        }
    }
}

/// It sends again what is confirmed already.
pub(crate) struct PublishesTwice;

impl Fault for PublishesTwice {
    async fn publish(broken: &Broken<Self>, topic: &str, batch: &mut [Outgoing]) {
        broken.publish_well(topic, batch).await;
        broken.publish_well(topic, batch).await;
    }
}

fn takes_dead_letters(topic: &str) -> bool {
    topic.ends_with(".dead-letters")
}

/// It takes dead letters for rubbish.
pub(crate) struct LosesDeadLetters;

impl Fault for LosesDeadLetters {
    async fn publish(broken: &Broken<Self>, topic: &str, batch: &mut [Outgoing]) {
        if !takes_dead_letters(topic) {
            return broken.publish_well(topic, batch).await;
        }
        for outgoing in batch {
            outgoing.report(Ok(()));
        }
    }
}

pub(crate) struct EmptiesDeadLetters;

impl Fault for EmptiesDeadLetters {
    async fn publish(broken: &Broken<Self>, topic: &str, batch: &mut [Outgoing]) {
        if !takes_dead_letters(topic) {
            return broken.publish_well(topic, batch).await;
        }
        let emptied = |message| with_payload(message, |_| Bytes::new());
        broken.publish_changed(topic, batch, emptied).await;
    }
}

/// The names of topics lose their case.
pub(crate) struct CrossesTopics;

impl Fault for CrossesTopics {
    async fn publish(broken: &Broken<Self>, topic: &str, batch: &mut [Outgoing]) {
        let lower = topic.to_lowercase();
        broken.publish_well(&lower, batch).await;
    }
}

/// Faults that change each message.
macro_rules! changes {
    ($($fault:ident: $change:expr;)+) => {
        $(
            pub(crate) struct $fault;

            impl Fault for $fault {
                async fn publish(broken: &Broken<Self>, topic: &str, batch: &mut [Outgoing]) {
                    broken.publish_changed(topic, batch, $change).await;
                }
            }
        )+
    };
}

changes! {
    SwallowsExtensions: |message| on_event(message, without_extensions);
    SwallowsHeaders: |message| on_foreign(message, without_headers);
    TakesHeadersForText: |message| on_foreign(message, with_text_headers);
    IgnoresKeys: |message| on_event(message, without_event_key);
    GivesItsOwnIds: |message| on_event(message, with_its_own_id);
    SwallowsKeys: |message| on_foreign(message, without_key);
    TakesTextForAscii: |message| on_event(message, with_ascii_subject);
    TakesPayloadsForText: |message| with_payload(message, |payload| {
        Bytes::from(String::from_utf8_lossy(&payload).into_owned())
    });
    TruncatesPayloads: |message| with_payload(message, |payload| {
        payload.slice(..payload.len().min(1 << 16))
    });
    WrapsStrangers: |message| match message {
        Message::Foreign(_) => event("wrapped", "").into(),
        event @ Message::Event(_) => event,
    };
}

pub(crate) struct SwallowsEmptyPayloads;

impl Fault for SwallowsEmptyPayloads {
    async fn publish(broken: &Broken<Self>, topic: &str, batch: &mut [Outgoing]) {
        for outgoing in batch.chunks_mut(1) {
            if outgoing[0].message().payload().is_empty() {
                outgoing[0].report(Ok(()));
            } else {
                broken.publish_well(topic, outgoing).await;
            }
        }
    }
}

fn on_event(message: Message, change: fn(&Envelope) -> Envelope) -> Message {
    match message {
        Message::Event(event) => change(&event).into(),
        foreign @ Message::Foreign(_) => foreign,
    }
}

fn on_foreign(message: Message, change: fn(&Foreign) -> Foreign) -> Message {
    match message {
        Message::Foreign(foreign) => change(&foreign).into(),
        event @ Message::Event(_) => event,
    }
}

fn without_extensions(event: &Envelope) -> Envelope {
    let bare = bare(event, id_of(event));
    match event.key() {
        Some(key) => bare.with_key(key).expect("it was valid"),
        None => bare,
    }
}

fn without_event_key(event: &Envelope) -> Envelope {
    with_extensions_of(event, bare(event, id_of(event)))
}

fn with_its_own_id(event: &Envelope) -> Envelope {
    let event_with_id = with_extensions_of(event, bare(event, EventId::new()));
    match event.key() {
        Some(key) => event_with_id.with_key(key).expect("it was valid"),
        None => event_with_id,
    }
}

fn id_of(event: &Envelope) -> EventId {
    EventId::parse(&event.id().to_string()).expect("it was valid")
}

fn with_extensions_of(event: &Envelope, bare: Envelope) -> Envelope {
    event.extensions().fold(bare, |bare, (name, value)| {
        let with = bare.with_extension(name, value.clone());
        with.expect("it was valid")
    })
}

/// The event with this id, and without its key and its extensions.
fn bare(event: &Envelope, id: EventId) -> Envelope {
    let mut bare = Envelope::new(id, event.source(), event.kind()).expect("it was valid");
    if let Some(content_type) = event.content_type() {
        let payload = event.payload().clone();
        bare = bare
            .with_payload(content_type, payload)
            .expect("it was valid");
    }
    if let Some(subject) = event.subject() {
        bare = bare.with_subject(subject).expect("it was valid");
    }
    if let Some(time) = event.time() {
        bare = bare.with_time(time).expect("it was valid");
    }
    if let Some(schema) = event.schema() {
        bare = bare.with_schema(schema).expect("it was valid");
    }
    bare
}

fn with_ascii_subject(event: &Envelope) -> Envelope {
    let Some(subject) = event.subject() else {
        return event.clone();
    };
    let subject = subject.replace(|char: char| !char.is_ascii(), "?");
    event.clone().with_subject(&subject).expect("it was valid")
}

fn without_headers(foreign: &Foreign) -> Foreign {
    let bare = Foreign::new(foreign.payload().clone());
    match foreign.key() {
        Some(key) => bare.with_key(key.clone()),
        None => bare,
    }
}

fn with_text_headers(foreign: &Foreign) -> Foreign {
    let headers = foreign.headers();
    headers.fold(without_headers(foreign), |foreign, (name, value)| {
        let text = String::from_utf8_lossy(value).into_owned();
        foreign.with_header(name, text.into())
    })
}

fn without_key(foreign: &Foreign) -> Foreign {
    Foreign::new(foreign.payload().clone())
}

fn with_payload(message: Message, change: fn(Bytes) -> Bytes) -> Message {
    let payload = change(message.payload().clone());
    match message {
        Message::Event(event) => {
            let content_type = event.content_type().unwrap_or("text/plain").to_owned();
            let event = event.with_payload(&content_type, payload);
            event.expect("it was valid").into()
        }
        Message::Foreign(_) => Foreign::new(payload).into(),
    }
}
