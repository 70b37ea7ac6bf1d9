//! Payloads in each codec, read as an event that has a field of every kind.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use fanfare::__private::outside::write;
use fanfare::codec::Codec;
use fanfare::event::{Event, Written};
use fanfare::prelude::*;
use jiff::Timestamp;
use uuid::Uuid;

/// A field of every kind.
#[event]
#[derive(Debug)]
pub struct Everything {
    id: Uuid,
    at: Timestamp,
    #[serde(default)]
    lasts: Duration,
    #[serde(default)]
    from: Option<IpAddr>,
    #[serde(default)]
    celsius: f64,
    #[serde(default)]
    small: f32,
    #[serde(default)]
    numbers: (u64, i64, u8, i16),
    #[serde(default)]
    letter: char,
    #[serde(default)]
    notes: Vec<Note>,
    #[serde(default)]
    plain: Option<Plain>,
    #[serde(default)]
    loose: Option<Loose>,
    #[serde(default)]
    named: BTreeMap<String, Option<f64>>,
    #[serde(default)]
    inner: Option<Box<Inner>>,
    #[serde(flatten)]
    beside: Beside,
}

impl Everything {
    /// Whether all its numbers are.
    fn is_finite(&self) -> bool {
        let loose = self.loose.as_ref().is_none_or(Loose::is_finite);
        let named = self.named.values().flatten().all(|it| it.is_finite());
        loose && named && self.celsius.is_finite() && self.small.is_finite()
    }
}

/// Holds itself.
#[payload]
#[derive(Debug)]
pub struct Inner {
    words: String,
    #[serde(default)]
    inner: Vec<Inner>,
}

/// Told apart by a field.
#[payload]
#[derive(Debug)]
#[serde(tag = "kind")]
pub enum Note {
    Cold,
    Said { words: String, by: Option<Uuid> },
    Nested(Inner),
}

/// Told apart by a name around it.
#[payload]
#[derive(Debug)]
pub enum Plain {
    One,
    Two(i32),
    Three(bool, String),
    Four { at: Option<Timestamp> },
}

/// Told apart by what fits.
#[payload]
#[derive(Debug)]
#[serde(untagged)]
pub enum Loose {
    Truth(bool),
    Number(f64),
    Words(String),
    List(Vec<Loose>),
}

impl Loose {
    fn is_finite(&self) -> bool {
        match self {
            Loose::Number(number) => number.is_finite(),
            Loose::List(items) => items.iter().all(Loose::is_finite),
            Loose::Truth(_) | Loose::Words(_) => true,
        }
    }
}

/// Fields that stand among the others.
#[payload]
#[derive(Debug, Default)]
pub struct Beside {
    #[serde(default)]
    beside: Option<u32>,
}

/// A payload in JSON.
pub fn json(input: &[u8]) {
    payload(Codec::Json, input);
}

/// A payload in `MessagePack`.
pub fn messagepack(input: &[u8]) {
    payload(Codec::MessagePack, input);
}

/// A payload in CBOR.
pub fn cbor(input: &[u8]) {
    payload(Codec::Cbor, input);
}

fn payload(codec: Codec, input: &[u8]) {
    let Some(event) = read(codec, input) else {
        return;
    };
    // JSON has no other numbers, and CBOR is written as JSON would be.
    if codec != Codec::MessagePack && !event.is_finite() {
        return;
    }
    let again = write(&event, codec).expect("what was read can be written");
    let same = read(codec, &again).expect("what was written can be read");
    // By what it shows: NaN is not equal to itself.
    assert_eq!(format!("{same:?}"), format!("{event:?}"));
}

fn read(codec: Codec, payload: &[u8]) -> Option<Everything> {
    let written = Written {
        version: None,
        content_type: Some(codec.content_type()),
        payload: &Bytes::copy_from_slice(payload),
    };
    match Everything::read(written) {
        Ok(event) => Some(event),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    }
}
