//! What travels: the same on both sides.

#![allow(dead_code, reason = "not each broker's client takes all of it")]

use std::time::SystemTime;

use fanfare::event::EventId;

use super::ours::Told;

/// The type of what is heard.
pub(super) const KIND: &str = "Told";

/// What an event holds.
#[fanfare::payload]
pub(super) struct Sample {
    pub(super) number: u64,
    pub(super) author: String,
    pub(super) title: String,
    pub(super) body: String,
}

impl Sample {
    pub(super) fn new(number: u64) -> Self {
        Sample {
            number,
            author: format!("author-{}", number % 100),
            title: "What a service announces".to_owned(),
            body: "and its subscribers hear, a hundred and more bytes of it. ".repeat(2),
        }
    }
}

/// An event as one would make it by hand.
pub(super) struct Written {
    pub(super) key: String,
    pub(super) id: String,
    /// Its attributes, without a prefix.
    pub(super) attributes: [(&'static str, String); 7],
    pub(super) payload: Vec<u8>,
}

/// Makes the message of an event.
pub(super) fn write(sample: Sample) -> Written {
    let key = sample.author.clone();
    let id = EventId::new().to_string();
    let time = jiff::Timestamp::try_from(SystemTime::now()).expect("a time");
    Written {
        attributes: [
            ("specversion", "1.0".to_owned()),
            ("id", id.clone()),
            ("source", "/bench".to_owned()),
            ("type", KIND.to_owned()),
            ("time", time.to_string()),
            ("dataschema", "urn:fanfare:event:Told:1".to_owned()),
            ("partitionkey", key.clone()),
        ],
        payload: serde_json::to_vec(&Told {
            author: key.clone(),
            sample,
        })
        .expect("JSON"),
        key,
        id,
    }
}

/// Reads the event of a message.
pub(super) fn read(payload: &[u8]) -> Sample {
    let told: Told = serde_json::from_slice(payload).expect("JSON");
    told.sample
}
