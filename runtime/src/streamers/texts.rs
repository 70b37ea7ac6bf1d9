//! Options that a client library takes as texts, whatever they stand for.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Number;

#[derive(Deserialize)]
#[serde(untagged, expecting = "a text, a number or a truth value")]
enum Plain {
    Text(String),
    Truth(bool),
    Number(Number),
}

/// A table of a configuration file: a number or a truth value in it is the text that it is written
/// with.
pub(super) fn texts<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let values = BTreeMap::<String, Plain>::deserialize(deserializer)?;
    let text = |value| match value {
        Plain::Text(text) => text,
        Plain::Truth(truth) => truth.to_string(),
        Plain::Number(number) => number.to_string(),
    };
    let texts = values.into_iter().map(|(name, value)| (name, text(value)));
    Ok(texts.collect())
}
