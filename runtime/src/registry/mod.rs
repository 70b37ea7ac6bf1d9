//! The schema registry: where Avro's schemas are kept, and what their ids mean.
//!
//! An event that is written in Avro is streamed in Confluent's wire format: a zero, the four bytes of its
//! schema's id in a registry, and Avro's binary form. The registry is Confluent's, or one that has the
//! same interface, as Apicurio Registry and Karapace have.
//!
//! ```no_run
//! use fanfare::prelude::*;
//! use fanfare::registry::SchemaRegistry;
//!
//! #[derive(Streamers)]
//! pub struct Streamers {
//!     #[streamer(codec = "avro")] // all events there, but for those that name another codec
//!     pub main: Memory,
//! }
//!
//! #[event(stream_to = streamer!("main", "posts"))]
//! pub struct PostCreated {
//!     pub title: String,
//!     pub language: Option<String>,
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<()> {
//!     App::new("blog")
//!         .streamers(Streamers { main: Memory::new() })
//!         .schema_registry(SchemaRegistry::new("http://localhost:8081"))
//!         .run()
//!         .await
//! }
//! ```
//!
//! # Schemas
//!
//! An event's schema is made of its JSON Schema: a struct is a record, an enum of names an enum, an enum
//! with fields a union of records, an `Option` a union with null whose default is null, a `Vec` an
//! array, a map a map. Integers of up to 32 bits (16, without a sign) are `int`, all others `long`, and
//! what is a text in JSON is a `string`. What has no form in Avro (a tuple, an enum without a tag,
//! `flatten`ed maps, `serde_json::Value`) keeps the app from starting, with the field that it is. For
//! another schema, give one: `#[event(codec = "avro", avro_schema = include_str!("post_created.avsc"))]`.
//!
//! # In the service, and on its way
//!
//! In the store, and for the service's own handlers, an event is JSON. It is written in Avro when it is
//! streamed: by the relay, or by `publish` where there is no store. Its schema is registered at the start
//! of the app, which fails where the registry is away, or refuses the schema, with the registry's words.
//! A value that its schema has no place for is refused as a streamer refuses one: with a store it
//! becomes a dead letter there.
//!
//! # Reading
//!
//! A handler of an event reads what was written by any schema that the registry knows: the writer's
//! schema is looked up by its id, once, and what it says is read by the names of the fields, as JSON
//! is; so serde's `default`, `rename` and `alias` hold. A message is Avro when its media type says so
//! (`application/avro`, `x-avro`, `vnd.apache.avro`, `vnd.confluent.avro`); and when it has none (or
//! `application/octet-stream`), and begins with a zero and four more bytes, in an app that has a
//! registry: so the messages of a Kotlin service fire a handler on their topic.
//!
//! A registry that is away, or does not know the id (yet: it may follow another), fails the attempt, which is
//! tried again as the handler's policy says, and then the message is a dead letter. A payload that is not
//! of its schema is a dead letter at once. It keeps every byte. Of an id that it does not know the registry
//! is asked again after a second at the earliest.
//!
//! | Avro | what serde reads, and writes |
//! |---|---|
//! | `bytes`, `fixed`, `duration`, `big-decimal` | an array of numbers, as of `Vec<u8>` |
//! | `uuid` | a text with hyphens |
//! | `date` | `2026-03-01` |
//! | `time-millis`, `time-micros` | `12:30:00.5` |
//! | `timestamp-millis`, `-micros`, `-nanos` | RFC 3339: `2026-03-01T12:30:00.5Z`, as of `jiff::Timestamp` and `chrono::DateTime<Utc>` |
//! | `local-timestamp-millis`, `-micros`, `-nanos` | `2026-03-01T12:30:00.5`, as of `jiff::civil::DateTime` and `chrono::NaiveDateTime` |
//! | `decimal` of up to 38 digits | a text: `12.50` |
//!
//! A date or time that no such type holds is its number. NaN and the infinities cannot be read.
//!
//! # In tests
//!
//! [`TestApp`](crate::testing) asks no registry: events are JSON there, and its `deliver_avro` takes a message
//! in Avro together with its schema. That an event has a form in Avro
//! is checked there, too.

mod client;
mod error;
mod known;

use std::time::Duration;

use serde::Deserialize;

use crate::access::{Secret, Tls};

pub(crate) use error::{Kind, RegistryError};
pub(crate) use known::Registry;

/// How long it may take to answer, where nothing is said.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the schema registry is, and how it is used: given to
/// [`App::schema_registry`](crate::App::schema_registry).
///
/// ```
/// use fanfare::registry::{SchemaRegistry, SubjectName};
/// use fanfare::streamers::Secret;
///
/// let registry = SchemaRegistry::new("https://registry-1:8081,https://registry-2:8081")
///     .with_login("blog", Secret::from_env("REGISTRY_PASSWORD"))
///     .with_subject_name(SubjectName::TopicRecord)
///     .with_auto_register(false);
/// # let _ = registry;
/// ```
///
/// In a configuration file these are `url`, `user`, `password`, `token`, `tls`, `subject_name`,
/// `auto_register`, `register_at_start` and `timeout_seconds`:
///
/// ```
/// # use fanfare::registry::SchemaRegistry;
/// let registry: SchemaRegistry = serde_json::from_str(
///     r#"{"url": "http://localhost:8081", "subject_name": "topic_record", "token": {"file": "/run/token"}}"#,
/// )?;
/// # let _ = registry;
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaRegistry {
    /// One, or several with commas between them.
    url: Secret,
    user: Option<String>,
    password: Option<Secret>,
    token: Option<Secret>,
    #[serde(default)]
    tls: Tls,
    #[serde(default)]
    subject_name: SubjectName,
    #[serde(default = "yes")]
    auto_register: bool,
    #[serde(default = "yes")]
    register_at_start: bool,
    #[serde(default = "patience")]
    timeout_seconds: u64,
}

fn yes() -> bool {
    true
}

fn patience() -> u64 {
    PATIENCE.as_secs()
}

/// Under which name (Confluent calls it a subject) the registry keeps the schema of an event: what
/// stands under one name has to be compatible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SubjectName {
    /// `<topic>-value`: one kind of event on a topic. Confluent's `TopicNameStrategy`, and the default.
    #[default]
    Topic,
    /// The full name of the record, wherever it goes: `RecordNameStrategy`.
    Record,
    /// `<topic>-<full name of the record>`: `TopicRecordNameStrategy`.
    TopicRecord,
}

impl SchemaRegistry {
    /// A registry at this address; several are given with commas between them, and asked in turn where
    /// one is away, or knows of no such schema. The path, if there is one, is a part of it: Apicurio Registry's is
    /// `/apis/ccompat/v7`.
    pub fn new(url: impl Into<String>) -> Self {
        SchemaRegistry {
            url: Secret::new(url),
            user: None,
            password: None,
            token: None,
            tls: Tls::default(),
            subject_name: SubjectName::default(),
            auto_register: true,
            register_at_start: true,
            timeout_seconds: patience(),
        }
    }

    /// With a user's name and password; at Confluent Cloud, an API key and its secret.
    #[must_use]
    pub fn with_login(mut self, user: impl Into<String>, password: Secret) -> Self {
        self.user = Some(user.into());
        self.password = Some(password);
        self
    }

    /// With a bearer token.
    #[must_use]
    pub fn with_token(mut self, token: Secret) -> Self {
        self.token = Some(token);
        self
    }

    /// Whom an `https` address has to be of, and who one is. If not said, whom the machine trusts.
    #[must_use]
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Under which name schemas are kept.
    #[must_use]
    pub fn with_subject_name(mut self, subject_name: SubjectName) -> Self {
        self.subject_name = subject_name;
        self
    }

    /// Whether a schema that the registry does not know is registered (which is so if nothing is said),
    /// or an error: Confluent's `auto.register.schemas`.
    #[must_use]
    pub fn with_auto_register(mut self, auto_register: bool) -> Self {
        self.auto_register = auto_register;
        self
    }

    /// Whether that is done at the start of the app, for all events that the linked code streams in Avro
    /// (which is so if nothing is said), or for each when it is first streamed: for a service that
    /// shares the events of others, and only hears them.
    #[must_use]
    pub fn with_register_at_start(mut self, register_at_start: bool) -> Self {
        self.register_at_start = register_at_start;
        self
    }

    /// How long the registry may take for an answer: 10 seconds, if nothing is said. At least one
    /// second.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout_seconds = timeout.as_secs();
        self
    }

    pub(crate) fn subject(&self, topic: &str, record: &str) -> String {
        self.subject_name.of(topic, record)
    }

    pub(crate) fn registers_at_start(&self) -> bool {
        self.register_at_start
    }

    /// What is wrong with it, as far as that takes no connection, no file and no secret.
    pub(crate) fn check(&self) -> Result<(), String> {
        client::urls(self)?;
        if self.user.is_some() != self.password.is_some() {
            return Err("a user and a password are given together".to_owned());
        }
        if self.user.is_some() && self.token.is_some() {
            return Err("it has a login and a token: give one of them".to_owned());
        }
        Ok(())
    }
}

impl SubjectName {
    fn of(self, topic: &str, record: &str) -> String {
        match self {
            SubjectName::Topic => format!("{topic}-value"),
            SubjectName::Record => record.to_owned(),
            SubjectName::TopicRecord => format!("{topic}-{record}"),
        }
    }
}
