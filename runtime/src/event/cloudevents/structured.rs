//! Structured mode: the JSON event format 1.0.2.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::draft::Draft;
use crate::event::envelope::{check::MediaType, excerpt, time::Rfc3339};
use crate::event::{AttributeValue, Envelope, EnvelopeError};

/// The media type of an event as JSON.
pub const CONTENT_TYPE: &str = "application/cloudevents+json; charset=UTF-8";

/// What JSON data is when nothing else is said (section 3.1.1).
const IMPLIED: &str = "application/json";

/// Writes an event as JSON.
///
/// By section 3.1.1: a payload declared as JSON stands in `data` as the JSON value it is, byte
/// for byte but for space around it; one declared as text in UTF-8 as a string; everything else
/// in `data_base64`, so that nothing is lost. That includes what is declared as JSON and is not,
/// and a payload of which nothing is declared, since `data` would declare it to be JSON.
/// An event without payload has neither member.
///
/// ```
/// use bytes::Bytes;
/// use fanfare::event::cloudevents::structured;
/// use fanfare::event::{Envelope, EventId};
///
/// let event = Envelope::new(EventId::parse("1")?, "/blog", "post-created")?
///     .with_payload("application/json", Bytes::from_static(b"[1, 2]"))?;
///
/// let json = structured::to_json(&event);
/// assert!(json.ends_with(br#""datacontenttype":"application/json","data":[1, 2]}"#));
/// assert_eq!(structured::from_json(&json)?, event);
/// # Ok::<(), fanfare::event::EnvelopeError>(())
/// ```
pub fn to_json(envelope: &Envelope) -> Bytes {
    let mut json = Vec::with_capacity(envelope.payload().len() + 512);
    let event = Json {
        envelope,
        is_exact: false,
    };
    written(serde_json::to_writer(&mut json, &event));
    json.into()
}

/// Writes an event as [`to_json`] does, but keeps every byte of its payload: one that is JSON with
/// space around it stands in `data_base64`.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) fn to_exact_json(envelope: &Envelope) -> String {
    let event = Json {
        envelope,
        is_exact: true,
    };
    written(serde_json::to_string(&event))
}

/// Strings, integers and raw values always can be written to memory.
fn written<T>(result: serde_json::Result<T>) -> T {
    result.expect("an envelope can be written as JSON")
}

struct Json<'a> {
    envelope: &'a Envelope,
    /// Whether space around JSON matters.
    is_exact: bool,
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let envelope = self.envelope;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", "1.0")?;
        map.serialize_entry("id", envelope.id())?;
        map.serialize_entry("source", envelope.source())?;
        map.serialize_entry("type", envelope.kind())?;
        if let Some(time) = envelope.time() {
            map.serialize_entry("time", &AsText(Rfc3339(time)))?;
        }
        for (name, value) in envelope.extensions() {
            match value {
                AttributeValue::Boolean(value) => map.serialize_entry(name, value)?,
                AttributeValue::Integer(value) => map.serialize_entry(name, value)?,
                AttributeValue::Text(value) => map.serialize_entry(name, value.as_str())?,
            }
        }
        let texts = [
            ("subject", envelope.subject()),
            ("partitionkey", envelope.key()),
            ("dataschema", envelope.schema()),
            ("datacontenttype", envelope.content_type()),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                map.serialize_entry(name, text)?;
            }
        }
        match Data::of(envelope) {
            Data::Json(value) if self.is_exact && value.get().len() < envelope.payload().len() => {
                let text = AsText(Base64Display::new(envelope.payload(), &STANDARD));
                map.serialize_entry("data_base64", &text)?;
            }
            Data::None => {}
            Data::Json(value) => map.serialize_entry("data", value)?,
            Data::Text(text) => map.serialize_entry("data", text)?,
            Data::Binary(bytes) => {
                let text = AsText(Base64Display::new(bytes, &STANDARD));
                map.serialize_entry("data_base64", &text)?;
            }
        }
        map.end()
    }
}

/// What is written as the string it displays.
struct AsText<T>(T);

impl<T: fmt::Display> Serialize for AsText<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// The form in which a payload stands in the JSON text.
enum Data<'a> {
    None,
    Json(&'a RawValue),
    Text(&'a str),
    Binary(&'a [u8]),
}

impl Data<'_> {
    fn of(envelope: &Envelope) -> Data<'_> {
        let payload = envelope.payload();
        if payload.is_empty() {
            return Data::None;
        }
        let media_type = envelope.content_type().and_then(MediaType::parse);
        let data = match media_type {
            Some(media_type) if media_type.is_json() => {
                serde_json::from_slice(payload).ok().map(Data::Json)
            }
            Some(media_type) if media_type.is_text() && media_type.is_utf8() => {
                str::from_utf8(payload).ok().map(Data::Text)
            }
            _ => None,
        };
        data.unwrap_or(Data::Binary(payload))
    }
}

/// Reads an event from JSON.
///
/// By section 3.1.2: JSON data becomes a payload of the same bytes, and shares memory with
/// `json`; if no `datacontenttype` stands beside it, it is set to the implied `application/json`.
/// An attribute that is `null` is taken as absent (section 2.2), while `data` that is `null` is a
/// payload.
///
/// # Errors
/// Any [`EnvelopeError`] that says what is wrong; nothing is guessed, and an object that has the
/// same member twice is refused.
pub fn from_json(json: &Bytes) -> Result<Envelope, EnvelopeError> {
    let members = Members::read(json)?;
    let mut draft = Draft::default();
    let (mut data, mut base64) = (None, None);
    for (name, value) in &members.0 {
        match &**name {
            "data" => data = Some(*value),
            "data_base64" => base64 = Some(*value),
            name => attribute(&mut draft, name, value)?,
        }
    }
    let base64 = base64.filter(|value| value.get() != "null");
    let payload = match (data, base64) {
        (None, None) => Bytes::new(),
        (Some(_), Some(_)) => return Err(EnvelopeError::TwoPayloads),
        (Some(data), None) => from_data(&mut draft, data, json)?,
        (None, Some(base64)) => from_base64(base64)?,
    };
    draft.finish(payload)
}

/// Takes one attribute, by the type system mapping (section 2.2).
fn attribute<'a>(
    draft: &mut Draft<'a>,
    name: &str,
    value: &'a RawValue,
) -> Result<(), EnvelopeError> {
    let found = kind(value);
    let typed = match found {
        "null" => return Ok(()),
        "string" => return draft.text(name, string(value)?),
        "boolean" => Some(AttributeValue::Boolean(value.get() == "true")),
        "number" => Some(AttributeValue::Integer(integer(name, value)?)),
        _ => None,
    };
    let refused = || EnvelopeError::Type {
        attribute: excerpt(name),
        found,
    };
    match draft.extension(name, typed.ok_or_else(refused)?) {
        Err(EnvelopeError::Reserved(_)) => Err(refused()),
        other => other,
    }
}

fn integer(name: &str, value: &RawValue) -> Result<i32, EnvelopeError> {
    value.get().parse().map_err(|_| EnvelopeError::Integer {
        attribute: excerpt(name),
        number: excerpt(value.get()),
    })
}

fn from_data(draft: &mut Draft<'_>, data: &RawValue, json: &Bytes) -> Result<Bytes, EnvelopeError> {
    if draft.content_type().is_none() {
        draft.text("datacontenttype", Cow::Borrowed(IMPLIED))?;
    }
    let content_type = draft.content_type().unwrap_or(IMPLIED);
    let media_type = MediaType::parse(content_type);
    if media_type.as_ref().is_some_and(MediaType::is_json) {
        return Ok(json.slice_ref(data.get().as_bytes()));
    }
    if kind(data) != "string" {
        return Err(EnvelopeError::Data {
            content_type: excerpt(content_type),
            found: kind(data),
        });
    }
    let text = string(data)?;
    // Another character set is understood only as far as it is the same as UTF-8.
    if !text.is_ascii() && !media_type.is_some_and(|media_type| media_type.is_utf8()) {
        return Err(EnvelopeError::Charset(excerpt(content_type)));
    }
    Ok(match text {
        Cow::Borrowed(text) => json.slice_ref(text.as_bytes()),
        Cow::Owned(text) => text.into(),
    })
}

fn from_base64(value: &RawValue) -> Result<Bytes, EnvelopeError> {
    if kind(value) != "string" {
        return Err(EnvelopeError::Type {
            attribute: "data_base64".into(),
            found: kind(value),
        });
    }
    match STANDARD.decode(&*string(value)?) {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) => Err(EnvelopeError::Base64(excerpt(&error.to_string()))),
    }
}

/// The JSON type of a valid value.
fn kind(value: &RawValue) -> &'static str {
    match value.get().as_bytes().first() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "number",
    }
}

fn string(value: &RawValue) -> Result<Cow<'_, str>, EnvelopeError> {
    let text: Text<'_> = serde_json::from_str(value.get()).map_err(|error| invalid(&error))?;
    Ok(text.0)
}

fn invalid(error: &serde_json::Error) -> EnvelopeError {
    EnvelopeError::Json(excerpt(&error.to_string()))
}

/// A string, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The members of a JSON object, each once, their values unread. `RawValue` is found without
/// recursion, so that depth costs no stack.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// All attributes and both kinds of data.
    const MOST: usize = EnvelopeError::MOST_EXTENSIONS + 11;

    fn read(json: &'a [u8]) -> Result<Members<'a>, EnvelopeError> {
        let members: Members<'a> =
            serde_json::from_slice(json).map_err(|error| refusal(json, &error))?;
        if members.0.len() > Self::MOST {
            return Err(EnvelopeError::TooMany);
        }
        match members.first_duplicate() {
            None => Ok(members),
            Some(name) => Err(EnvelopeError::Duplicate(excerpt(name))),
        }
    }

    fn first_duplicate(&self) -> Option<&str> {
        let names = self.0.iter().map(|(name, _)| name);
        let is_earlier = |(at, name)| names.clone().take(at).any(|earlier| earlier == name);
        names
            .clone()
            .enumerate()
            .find(|name| is_earlier(*name))
            .map(|(_, name)| &**name)
    }
}

/// Why `json` is no object, in words rather than in a parser's terms where it is JSON at all.
fn refusal(json: &[u8], error: &serde_json::Error) -> EnvelopeError {
    match serde_json::from_slice::<&RawValue>(json) {
        Ok(other) if kind(other) != "object" => EnvelopeError::NotAnObject(kind(other)),
        _ => invalid(error),
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ReadMembers).map(Members)
    }
}

struct ReadMembers;

impl<'de> Visitor<'de> for ReadMembers {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(12);
        while let Some(name) = map.next_key::<Text<'de>>()? {
            let value = map.next_value()?;
            // One more than is allowed says enough, and bounds what a hostile text can ask for.
            if members.len() <= Members::MOST {
                members.push((name.0, value));
            }
        }
        Ok(members)
    }
}
