//! A dead letter as it stands in a table: JSON that an operator can read, and the bytes of a
//! message that is no event.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::Failure;
use super::fault::WrittenFault;
use crate::event::cloudevents::structured;
use crate::event::{Foreign, Message, Rfc3339, parse_time};
use crate::store::DeadLetter;

#[derive(Serialize, Deserialize)]
struct Written {
    handler: String,
    reason: String,
    origin: String,
    attempts: u32,
    time: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    foreign: Option<Around>,
}

/// What stands around the payload of a message that is no event.
#[derive(Serialize, Deserialize)]
struct Around {
    content_type: Option<String>,
    key: Option<Base64>,
    headers: Vec<(String, Base64)>,
    fault: Option<WrittenFault>,
}

/// Bytes as text.
struct Base64(Bytes);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text).map_err(serde::de::Error::custom)?;
        Ok(Base64(bytes.into()))
    }
}

/// The JSON of a letter, and the payload that it has beside it.
pub(in crate::store) fn write_letter(
    letter: &DeadLetter,
) -> Result<(String, Option<&[u8]>), Failure> {
    let fault = |error| Failure::Said(format!("a dead letter cannot be written: {error}"));
    let mut written = Written {
        handler: letter.handler.clone(),
        reason: letter.reason.clone(),
        origin: letter.origin.clone(),
        attempts: letter.attempts,
        time: Rfc3339(letter.time).to_string(),
        event: None,
        foreign: None,
    };
    let payload = match &letter.message {
        Message::Event(event) => {
            let json = RawValue::from_string(structured::to_exact_json(event));
            written.event = Some(json.map_err(fault)?);
            None
        }
        Message::Foreign(foreign) => {
            written.foreign = Some(Around::of(foreign));
            Some(&foreign.payload()[..])
        }
    };
    let json = serde_json::to_string(&written).map_err(fault)?;
    Ok((json, payload))
}

/// The letter that was written so.
pub(in crate::store) fn read_letter(
    (number, json, payload): (i64, String, Option<Vec<u8>>),
) -> Result<(u64, DeadLetter), Failure> {
    let fault = |error: &dyn std::fmt::Display| {
        Failure::Said(format!("dead letter {number} cannot be read: {error}"))
    };
    let written: Written = serde_json::from_str(&json).map_err(|error| fault(&error))?;
    let message = match (written.event, written.foreign) {
        (Some(event), _) => {
            let json = Bytes::copy_from_slice(event.get().as_bytes());
            let event = structured::from_json(&json).map_err(|error| fault(&error))?;
            Message::Event(event)
        }
        (None, Some(around)) => Message::Foreign(around.with(payload.unwrap_or_default().into())),
        (None, None) => return Err(fault(&"it holds no message")),
    };
    let letter = DeadLetter {
        handler: written.handler,
        reason: written.reason,
        origin: written.origin,
        attempts: written.attempts,
        time: parse_time(&written.time).map_err(|error| fault(&error))?,
        message,
    };
    Ok((super::unsigned(number), letter))
}

impl Around {
    fn of(foreign: &Foreign) -> Self {
        let header = |(name, value): (&str, &Bytes)| (name.to_owned(), Base64(value.clone()));
        Around {
            content_type: foreign.content_type().map(str::to_owned),
            key: foreign.key().cloned().map(Base64),
            headers: foreign.headers().map(header).collect(),
            fault: foreign.fault().cloned().map(WrittenFault),
        }
    }

    fn with(self, payload: Bytes) -> Foreign {
        let mut foreign = Foreign::new(payload);
        for (name, value) in self.headers {
            foreign = foreign.with_header(name, value.0);
        }
        if let Some(content_type) = self.content_type {
            foreign = foreign.with_content_type(content_type);
        }
        if let Some(key) = self.key {
            foreign = foreign.with_key(key.0);
        }
        match self.fault {
            Some(fault) => foreign.with_fault(fault.0),
            None => foreign,
        }
    }
}
