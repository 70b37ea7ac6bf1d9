//! Avro by schemas of others.

use fanfare::__private::outside::{read_avro, write_avro};
use serde_json::Value;

/// A schema in one line, and a payload behind it.
pub fn avro(input: &[u8]) {
    let at = input.iter().position(|byte| *byte == b'\n');
    let (schema, datum) = match at {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, &[][..]),
    };
    let Ok(schema) = str::from_utf8(schema) else {
        return;
    };
    match read_avro(schema, &[], datum) {
        Ok(json) => stays(schema, &json),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// What is read may be written in another branch of a union, and is then the text of that; from there on
/// it is the same.
fn stays(schema: &str, json: &[u8]) {
    let _: Value = serde_json::from_slice(json).expect("what is read is JSON");
    let Some(once) = again(schema, json) else {
        return;
    };
    let Some(twice) = again(schema, &once) else {
        return;
    };
    let value = |json: &[u8]| serde_json::from_slice::<Value>(json).expect("JSON");
    assert_eq!(value(&twice), value(&once));
}

/// As it is read when it was written, if it can be. What takes no bytes may be more than is read of so few.
fn again(schema: &str, json: &[u8]) -> Option<Vec<u8>> {
    let datum = write_avro(schema, json).ok()?;
    match read_avro(schema, &[], &datum) {
        Ok(json) => Some(json),
        Err(error) => {
            assert!(error.to_string().ends_with("bytes as JSON"), "{error}");
            None
        }
    }
}

/// A schema and others, with a line between them that is `---`.
pub fn avro_schema(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    let mut schemas = text.split("\n---\n").map(str::to_owned);
    let schema = schemas.next().unwrap_or_default();
    let others: Vec<_> = schemas.collect();
    for datum in [&[][..], &[0; 64], &[2; 64]] {
        if let Err(error) = read_avro(&schema, &others, datum) {
            assert!(error.to_string().len() < 10_000);
        }
    }
}
