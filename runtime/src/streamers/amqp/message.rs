//! A message as the protocol carries it.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldArray, FieldTable, ShortString};
use serde_json::Value;

use super::names::{self, LONGEST};
use crate::event::cloudevents::AMQP;
use crate::event::{Envelope, Foreign, Message};
use crate::streamer::StreamError;

/// Where the media type travels: a property here, a header elsewhere.
const CONTENT_TYPE: &str = "content-type";
/// All frames are this long at most, unless the broker says otherwise; one holds all headers.
const HEADERS: usize = 128 * 1024 - 1024;
/// Kept on the disk.
const PERSISTENT: u8 = 2;

/// A message, ready to be published.
pub(super) struct Parcel {
    pub(super) routing_key: ShortString,
    pub(super) properties: BasicProperties,
    pub(super) payload: Bytes,
}

impl Parcel {
    /// An error where it cannot be carried, however often it is tried.
    pub(super) fn new(
        message: &Message,
        structured: bool,
        turn: usize,
    ) -> Result<Self, StreamError> {
        let mut headers = Headers::default();
        let (payload, properties) = match message {
            Message::Event(event) if structured => {
                let wire = AMQP.write_structured(event);
                for (name, value) in &wire.headers {
                    headers.add(name, value);
                }
                (wire.payload, properties_of(event))
            }
            Message::Event(event) => {
                AMQP.for_each_header(event, |name, value| headers.add(name, value.as_bytes()));
                (event.payload().clone(), properties_of(event))
            }
            Message::Foreign(foreign) => {
                headers.add_all(foreign);
                (foreign.payload().clone(), BasicProperties::default())
            }
        };
        let key = names::routing_key(message.key(), turn);
        let routing_key =
            ShortString::try_new(key).map_err(|error| StreamError::refused(error.to_string()))?;
        let properties = headers.finish(properties.with_delivery_mode(PERSISTENT))?;
        Ok(Parcel {
            routing_key,
            properties,
            payload,
        })
    }
}

/// What operators look at, as far as it fits.
fn properties_of(event: &Envelope) -> BasicProperties {
    let mut properties = BasicProperties::default();
    if let Ok(id) = ShortString::try_new(event.id().to_string()) {
        properties = properties.with_message_id(id);
    }
    if let Ok(kind) = ShortString::try_new(event.kind()) {
        properties = properties.with_type(kind);
    }
    let time = event.time().map(|time| time.duration_since(UNIX_EPOCH));
    if let Some(Ok(since)) = time {
        properties = properties.with_timestamp(since.as_secs());
    }
    properties
}

/// The headers of a message that is to be published.
#[derive(Default)]
struct Headers {
    table: FieldTable,
    content_type: Option<ShortString>,
    size: usize,
    unfit: Option<String>,
}

impl Headers {
    fn add(&mut self, name: &str, value: &[u8]) {
        if name.eq_ignore_ascii_case(CONTENT_TYPE) {
            match str::from_utf8(value).ok().map(ShortString::try_new) {
                Some(Ok(text)) => self.content_type = Some(text),
                _ => {
                    self.unfit = Some(format!(
                        "its media type is no text of at most {LONGEST} bytes"
                    ));
                }
            }
            return;
        }
        self.insert(name, AMQPValue::LongString(value.into()), value.len());
    }

    fn insert(&mut self, name: &str, value: AMQPValue, size: usize) {
        self.size += name.len() + size + 6;
        match ShortString::try_new(name) {
            Ok(name) => {
                self.table.insert(name, value);
            }
            Err(_) => {
                self.unfit = Some(format!(
                    "the name of a header has more than {LONGEST} bytes"
                ));
            }
        }
    }

    /// A name that repeats has an array of its values.
    fn add_all(&mut self, foreign: &Foreign) {
        if let Some(media_type) = foreign.content_type() {
            self.add(CONTENT_TYPE, media_type.as_bytes());
        }
        for (name, value) in foreign.headers() {
            if !self.table.contains_key(name) {
                let all = foreign.headers().filter(|(other, _)| *other == name);
                let all: Vec<_> = all.map(|(_, value)| value).collect();
                if let [_, _, ..] = all[..] {
                    let size = all.iter().map(|value| value.len() + 5).sum();
                    let values = all
                        .iter()
                        .map(|value| AMQPValue::LongString(value[..].into()));
                    let values = FieldArray::from(values.collect::<Vec<_>>());
                    self.insert(name, AMQPValue::FieldArray(values), size);
                } else {
                    self.add(name, value);
                }
            }
        }
    }

    fn finish(self, properties: BasicProperties) -> Result<BasicProperties, StreamError> {
        if let Some(why) = self.unfit {
            return Err(StreamError::refused(format!(
                "RabbitMQ cannot carry it: {why}"
            )));
        }
        if self.size > HEADERS {
            return Err(StreamError::refused(format!(
                "its headers have {} bytes together, and RabbitMQ carries {HEADERS}",
                self.size
            )));
        }
        let properties = properties.with_headers(self.table);
        Ok(match self.content_type {
            Some(media_type) => properties.with_content_type(media_type),
            None => properties,
        })
    }
}

/// What a delivery carries.
pub(super) fn read(delivery: Delivery) -> Message {
    let Delivery {
        routing_key,
        properties,
        data,
        ..
    } = delivery;
    let mut headers: Vec<(&str, Bytes)> = Vec::with_capacity(12);
    for (name, value) in properties.headers().iter().flatten() {
        match value {
            AMQPValue::FieldArray(values) if is_of_texts(values) => {
                let values = values.as_slice().iter();
                headers.extend(values.map(|value| (name.as_str(), bytes(value))));
            }
            value => headers.push((name.as_str(), bytes(value))),
        }
    }
    let named = [
        (CONTENT_TYPE, properties.content_type()),
        ("message-id", properties.message_id()),
        ("correlation-id", properties.correlation_id()),
        ("reply-to", properties.reply_to()),
        ("type", properties.kind()),
        ("app-id", properties.app_id()),
    ];
    for (name, value) in named {
        // A header of this name is somebody's own, but for the media type, which all look for here.
        if let Some(value) = value
            && (name == CONTENT_TYPE || headers.iter().all(|(other, _)| *other != name))
        {
            if name == CONTENT_TYPE {
                headers.retain(|(other, _)| !other.eq_ignore_ascii_case(CONTENT_TYPE));
            }
            headers.push((name, Bytes::copy_from_slice(value.as_str().as_bytes())));
        }
    }
    let key = names::key(routing_key.as_str());
    let key = key.map(|key| Bytes::copy_from_slice(key.as_bytes()));
    AMQP.read(headers, key, data.into())
}

fn is_of_texts(values: &FieldArray) -> bool {
    let is_text = |value| matches!(value, &AMQPValue::LongString(_));
    values.as_slice().len() > 1 && values.as_slice().iter().all(is_text)
}

/// A header's value: text and bytes as they are, numbers and times as `CloudEvents` writes them,
/// tables as JSON.
fn bytes(value: &AMQPValue) -> Bytes {
    match value {
        AMQPValue::LongString(text) => Bytes::copy_from_slice(text.as_bytes()),
        AMQPValue::ByteArray(bytes) => Bytes::copy_from_slice(bytes.as_slice()),
        AMQPValue::ShortString(text) => Bytes::copy_from_slice(text.as_str().as_bytes()),
        AMQPValue::Void => Bytes::new(),
        value => match json(value) {
            Value::String(text) => text.into(),
            value => value.to_string().into(),
        },
    }
}

fn json(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(value) => Value::from(*value),
        AMQPValue::ShortShortInt(number) => Value::from(*number),
        AMQPValue::ShortShortUInt(number) => Value::from(*number),
        AMQPValue::ShortInt(number) => Value::from(*number),
        AMQPValue::ShortUInt(number) => Value::from(*number),
        AMQPValue::LongInt(number) => Value::from(*number),
        AMQPValue::LongUInt(number) => Value::from(*number),
        AMQPValue::LongLongInt(number) => Value::from(*number),
        AMQPValue::Float(number) => Value::from(*number),
        AMQPValue::Double(number) => Value::from(*number),
        AMQPValue::DecimalValue(number) => {
            let value = f64::from(number.value) / 10_f64.powi(number.scale.into());
            Value::from(value)
        }
        AMQPValue::ShortString(text) => Value::from(text.as_str()),
        AMQPValue::LongString(text) => Value::from(String::from_utf8_lossy(text.as_bytes())),
        AMQPValue::ByteArray(bytes) => Value::from(String::from_utf8_lossy(bytes.as_slice())),
        AMQPValue::Timestamp(seconds) => time(*seconds),
        AMQPValue::FieldArray(values) => values.as_slice().iter().map(json).collect(),
        AMQPValue::FieldTable(table) => {
            let fields = table.into_iter();
            fields
                .map(|(name, value)| (name.to_string(), json(value)))
                .collect()
        }
        AMQPValue::Void => Value::Null,
    }
}

fn time(seconds: u64) -> Value {
    let time = i64::try_from(seconds).ok().map(Timestamp::from_second);
    match time {
        Some(Ok(time)) => Value::from(time.to_string()),
        _ => Value::from(seconds),
    }
}

/// The microsecond: a number that grows, also over restarts.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    })
}
