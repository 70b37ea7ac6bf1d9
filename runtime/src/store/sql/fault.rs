//! Why a dead letter is no event, as it stands in a table.

use arcstr::ArcStr;
use serde::{Deserialize, Deserializer, Serialize};

use crate::event::EnvelopeError;

/// Serde borrows what is spelt `&str`, and these are read from a fixed list.
type Word = &'static str;

/// The same as [`EnvelopeError`], which serde has to see again.
#[derive(Serialize, Deserialize)]
#[serde(remote = "EnvelopeError", rename_all = "snake_case")]
enum Fault {
    Missing(#[serde(deserialize_with = "word")] Word),
    Empty(#[serde(deserialize_with = "word")] Word),
    Duplicate(ArcStr),
    SpecVersion(ArcStr),
    Name(ArcStr),
    Reserved(#[serde(deserialize_with = "word")] Word),
    Character {
        attribute: ArcStr,
        code: u32,
    },
    Source(ArcStr),
    Schema(ArcStr),
    Time(ArcStr),
    ContentType(ArcStr),
    Integer {
        attribute: ArcStr,
        number: ArcStr,
    },
    Type {
        attribute: ArcStr,
        #[serde(deserialize_with = "word")]
        found: Word,
    },
    TooMany,
    Utf8(ArcStr),
    TwoPayloads,
    Base64(ArcStr),
    Data {
        content_type: ArcStr,
        #[serde(deserialize_with = "word")]
        found: Word,
    },
    Charset(ArcStr),
    Json(ArcStr),
    NotAnObject(#[serde(deserialize_with = "word")] Word),
    Batch,
    Format(ArcStr),
}

/// The names of attributes and of JSON types: all that an [`EnvelopeError`] holds of this kind.
const WORDS: [Word; 18] = [
    "data",
    "data_base64",
    "datacontenttype",
    "dataschema",
    "id",
    "partitionkey",
    "source",
    "specversion",
    "subject",
    "time",
    "type",
    "array",
    "boolean",
    "null",
    "number",
    "object",
    "string",
    UNKNOWN,
];

/// For what a newer program may have written.
const UNKNOWN: Word = "(unknown)";

fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Word, D::Error> {
    let read = String::deserialize(deserializer)?;
    let known = WORDS.into_iter().find(|word| *word == read);
    Ok(known.unwrap_or(UNKNOWN))
}

/// A fault, or none.
#[derive(Serialize, Deserialize)]
pub(super) struct WrittenFault(#[serde(with = "Fault")] pub(super) EnvelopeError);
