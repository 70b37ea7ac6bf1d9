//! Topics: subjects that a stream of `JetStream` captures.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::api;
use super::link::Link;
use super::session::Session;
use crate::streamer::{Needs, StreamError};

/// The longest name that `JetStream` takes, in bytes.
const LONGEST: usize = 255;

/// Whether a topic is one subject that events can be published to.
pub(super) fn check(topic: &str) -> Result<(), StreamError> {
    let parts = || topic.split('.');
    let is_one = parts().all(|part| {
        let is_wildcard = part == "*" || part == ">";
        !part.is_empty()
            && !is_wildcard
            && !part.contains(|c: char| c.is_whitespace() || c.is_control())
    });
    if is_one && !topic.starts_with('$') {
        return Ok(());
    }
    Err(StreamError::new(format!(
        "`{topic}` is no topic of NATS: a topic is a subject, of parts with dots between them, \
         without white space, without `*` or `>` as a part, and without `$` at its beginning"
    )))
}

/// Text as the name of a stream or consumer: a dot becomes `~`, and what else could not be in a name
/// (or would be taken for something else) becomes `%` and two digits for each byte. No two texts
/// give one name.
pub(super) fn name_of(text: &str) -> String {
    use std::fmt::Write;
    let mut name = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'.' => name.push('~'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => name.push(char::from(byte)),
            _ => drop(write!(name, "%{byte:02X}")), // a String takes all
        }
    }
    name
}

pub(super) fn checked_name(name: String, what: &str) -> Result<String, StreamError> {
    if name.len() <= LONGEST {
        return Ok(name);
    }
    Err(StreamError::new(format!(
        "{what} has a name that is too long for NATS: written as `{name}` it has {} bytes, of \
         which there may be {LONGEST}",
        name.len()
    )))
}

/// What there is of a stream.
#[derive(Deserialize)]
pub(super) struct StreamInfo {
    pub(super) state: StreamState,
    /// When it was made.
    pub(super) created: String,
}

#[derive(Deserialize)]
pub(super) struct StreamState {
    pub(super) last_seq: u64,
}

pub(super) async fn info(session: &Session, stream: &str) -> Result<StreamInfo, StreamError> {
    let subject = format!("STREAM.INFO.{stream}");
    Ok(api::ask(session, &subject, &api::Bare {}).await?)
}

/// The stream that captures a topic, if one does.
pub(super) async fn find(session: &Session, topic: &str) -> Result<Option<String>, StreamError> {
    let names = api::stream_names(session, Some(topic)).await;
    let names = names.map_err(|error| {
        StreamError::new(format!(
            "the stream of `{topic}` cannot be looked for: {error}"
        ))
    })?;
    Ok(names.into_iter().next())
}

/// The stream that captures a topic, made where that is allowed.
pub(super) async fn find_or_create(
    link: &Link,
    session: &Session,
    topic: &str,
) -> Result<String, StreamError> {
    if let Some(stream) = find(session, topic).await? {
        return Ok(stream);
    }
    if !link.options.create_topics {
        return Err(StreamError::new(format!(
            "no JetStream stream captures the topic `{topic}`"
        )));
    }
    create(link, session, topic).await
}

async fn create(link: &Link, session: &Session, topic: &str) -> Result<String, StreamError> {
    let name = checked_name(name_of(topic), &format!("the topic `{topic}`"))?;
    let mut config = json!({
        "name": name,
        "subjects": [topic],
        "storage": "file",
        "retention": "limits",
        // Rather an error for who publishes than an event that is gone before it is handled.
        "discard": "new",
        "num_replicas": link.options.replicas.unwrap_or(1),
    });
    merge(&mut config, &link.options.stream_options);
    let subject = format!("STREAM.CREATE.{name}");
    let created = api::ask::<StreamInfo>(session, &subject, &config).await;
    match created {
        Ok(_) => {
            tracing::info!(topic, stream = name, "a JetStream stream was created");
            Ok(name)
        }
        Err(error) => {
            // Another instance may have been faster.
            if let Some(stream) = find(session, topic).await? {
                return Ok(stream);
            }
            Err(StreamError::new(format!(
                "no stream can be created for the topic `{topic}`: {error}"
            )))
        }
    }
}

/// Puts raw options over a configuration.
pub(super) fn merge<'a>(
    config: &mut Value,
    options: impl IntoIterator<Item = (&'a String, &'a Value)>,
) {
    let mut empty = Map::new();
    let config = config.as_object_mut().unwrap_or(&mut empty);
    for (name, value) in options {
        config.insert(name.clone(), value.clone());
    }
}

pub(super) async fn prepare(link: &Link, needs: &Needs) -> Result<(), StreamError> {
    let session = link.session()?;
    let mut missing = Vec::new();
    let mut errors = Vec::new();
    for topic in needs.topics() {
        if let Err(error) = check(topic) {
            errors.push(error.to_string());
        } else if link.options.create_topics {
            let created = find_or_create(link, &session, topic).await;
            errors.extend(created.err().map(|error| error.to_string()));
        } else {
            match find(&session, topic).await {
                Ok(Some(_)) => {}
                Ok(None) => missing.push(format!("`{topic}`")),
                Err(error) => errors.push(error.to_string()),
            }
        }
    }
    if !missing.is_empty() {
        errors.push(format!(
            "no JetStream stream captures these topics: {}; create streams with them as subjects, \
             or let fanfare do so with `Nats::with_create_topics(true)` (in a URL `create_topics=true`)",
            missing.join(", ")
        ));
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(StreamError::new(errors.join("; ")))
}
