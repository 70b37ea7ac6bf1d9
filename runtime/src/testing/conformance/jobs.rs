//! The events of the suite's own services, written out as `#[event]` would: what the macro
//! registers would show up in the topology of every program that has the suite linked.

use arcstr::literal;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::event::{
    Envelope, EnvelopeParts, Event, EventId, Message, ReadError, TopicName, Written, read_current,
};

/// What there is to do.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Job {
    pub(super) key: String,
    pub(super) name: String,
}

/// What a handler says of a job.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Done {
    pub(super) name: String,
    /// In which attempt it was said.
    pub(super) attempt: u32,
}

impl Event for Job {
    const NAME: &'static str = "conformance.job";
    const VERSION: u32 = 1;
    const SCHEMA: &'static str = "urn:fanfare:event:conformance.job:1";
    const TOPICS: &'static [TopicName] = &[];

    fn key(&self) -> Option<String> {
        Some(self.key.clone())
    }

    fn read(written: Written<'_>) -> Result<Self, ReadError> {
        read_current(written)
    }
}

impl Event for Done {
    const NAME: &'static str = "conformance.done";
    const VERSION: u32 = 1;
    const SCHEMA: &'static str = "urn:fanfare:event:conformance.done:1";
    const TOPICS: &'static [TopicName] = &[];

    fn key(&self) -> Option<String> {
        None
    }

    fn read(written: Written<'_>) -> Result<Self, ReadError> {
        read_current(written)
    }
}

/// An event with a name, by which a test knows it again.
pub(super) trait Named: Event {
    fn name(self) -> String;
}

impl Named for Job {
    fn name(self) -> String {
        self.name
    }
}

impl Named for Done {
    fn name(self) -> String {
        self.name
    }
}

/// A job as another service announces it.
pub(super) fn job(key: &str, name: &str) -> Message {
    job_event(key, name).into()
}

pub(super) fn job_event(key: &str, name: &str) -> Envelope {
    let payload = json!({"key": key, "name": name}).to_string();
    announced(key, payload.into())
}

/// An event that is called a job, with half a job for a payload.
pub(super) fn half_a_job(key: &str, name: &str) -> Message {
    let payload = json!({"key": key, "name": name}).to_string();
    let half = payload.len() / 2;
    announced(key, Bytes::from(payload).slice(..half)).into()
}

fn announced(key: &str, payload: Bytes) -> Envelope {
    Envelope::announce(EnvelopeParts {
        id: EventId::new(),
        source: literal!("/conformance").into(),
        kind: Job::NAME.into(),
        subject: None,
        time: None,
        content_type: Some(literal!("application/json").into()),
        schema: Some(Job::SCHEMA.into()),
        key: Some(key.into()),
        extensions: Vec::new(),
        payload,
    })
}

/// A job for each name, each with a key of its own.
pub(super) fn jobs(names: &[String]) -> impl Iterator<Item = Message> {
    names.iter().map(|name| job(name, name))
}

/// The name of a job, wherever it came to.
pub(super) fn name_of(message: &Message) -> String {
    match field(message, "name") {
        Some(Value::String(name)) => name,
        _ => String::from_utf8_lossy(message.payload()).into_owned(),
    }
}

/// Which attempt has said that a job is done: `name@attempt`.
pub(super) fn saying_of(message: &Message) -> String {
    let attempt = field(message, "attempt").unwrap_or_default();
    format!("{}@{attempt}", name_of(message))
}

fn field(message: &Message, name: &str) -> Option<Value> {
    let payload: Value = serde_json::from_slice(message.payload()).ok()?;
    payload.get(name).cloned()
}
