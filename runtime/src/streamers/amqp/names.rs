//! What things are called at the broker.

use std::fmt::Write;

use lapin::types::ShortString;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::streamer::StreamError;

/// Between topic, group and stream; escaped within them, so that no two groups share a name.
const BETWEEN: char = '/';
const ESCAPED: &AsciiSet = &CONTROLS.add(b'/').add(b'%');

/// What the routing key of an event without a key begins with. A key that begins with it has one
/// more.
const KEYLESS: char = '~';
/// As many routing keys as events without a key have: enough to spread over streams.
const KEYLESS_KEYS: usize = 256;

/// The longest name or routing key, in bytes.
pub(super) const LONGEST: usize = 255;

/// The exchange that is a topic.
pub(super) fn exchange(topic: &str) -> Result<ShortString, StreamError> {
    if topic.is_empty() {
        return Err(StreamError::new("a topic without a name is no exchange"));
    }
    short(topic)
}

/// What a group has of a topic: its queue, or with several streams its exchange.
pub(super) fn group(topic: &str, group: &str) -> Result<ShortString, StreamError> {
    short(&format!("{}{BETWEEN}{}", escaped(topic), escaped(group)))
}

/// The queue of one of several streams, or of one instance.
pub(super) fn part(
    of: &ShortString,
    part: impl std::fmt::Display,
) -> Result<ShortString, StreamError> {
    short(&format!("{of}{BETWEEN}{part}"))
}

/// The topic and the group that a queue belongs to, if its name is one of ours.
pub(super) fn parse(queue: &str) -> Option<(String, String)> {
    let mut parts = queue.split(BETWEEN);
    let (topic, group) = (parts.next()?, parts.next()?);
    let is_whole = match (parts.next(), parts.next()) {
        (None, _) => true,
        (Some(stream), None) => stream.parse::<u16>().is_ok(),
        _ => false,
    };
    let plain = |text| percent_decode_str(text).decode_utf8().ok();
    is_whole.then_some((plain(topic)?.into_owned(), plain(group)?.into_owned()))
}

fn escaped(name: &str) -> impl std::fmt::Display {
    utf8_percent_encode(name, ESCAPED)
}

pub(super) fn short(name: &str) -> Result<ShortString, StreamError> {
    ShortString::try_new(name).map_err(|_| {
        StreamError::new(format!(
            "a name at RabbitMQ has at most {LONGEST} bytes, and `{name}` has {}: shorten the name \
             of the topic or of the group",
            name.len()
        ))
    })
}

/// The routing key of a message with this key. `turn` tells those apart that have none.
pub(super) fn routing_key(key: Option<&[u8]>, turn: usize) -> String {
    let Some(key) = key.filter(|key| !key.is_empty()) else {
        return format!("{KEYLESS}{:02x}", turn % KEYLESS_KEYS);
    };
    match str::from_utf8(key) {
        Ok(key) if key.starts_with(KEYLESS) && key.len() < LONGEST => format!("{KEYLESS}{key}"),
        Ok(key) if key.len() <= LONGEST && !key.starts_with(KEYLESS) => key.to_owned(),
        _ => hashed(key),
    }
}

/// The key that a routing key is, if it is one.
pub(super) fn key(routing_key: &str) -> Option<&str> {
    match routing_key.strip_prefix(KEYLESS) {
        None => Some(routing_key).filter(|key| !key.is_empty()),
        Some(escaped) => escaped.starts_with(KEYLESS).then_some(escaped),
    }
}

/// For a key that is too long or no text: one routing key for each (FNV-1a), which is read as none.
fn hashed(key: &[u8]) -> String {
    let hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut text = String::with_capacity(17);
    text.push(KEYLESS);
    // A String takes all.
    let _ = write!(text, "{hash:016x}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_groups_share_a_name() {
        let names = [("a/b", "c"), ("a", "b/c"), ("a%2Fb", "c"), ("a", "b")];
        let queues = names.map(|(topic, name)| group(topic, name).expect("short"));
        for (at, queue) in queues.iter().enumerate() {
            assert!(!queues[..at].contains(queue), "{queue}");
            let (topic, name) = parse(queue.as_str()).expect("ours");
            assert_eq!((&*topic, &*name), names[at]);
        }
        assert_eq!(parse("a/b/7"), Some(("a".to_owned(), "b".to_owned())));
        assert_eq!(parse("a/b/c"), None);
        assert_eq!(parse("a"), None);
    }

    #[test]
    fn a_key_comes_back_from_its_routing_key() {
        for text in ["key", "~key", "~", "~~", "ключ", &"k".repeat(255)] {
            let routing_key = routing_key(Some(text.as_bytes()), 0);
            assert!(routing_key.len() <= LONGEST);
            assert_eq!(key(&routing_key), Some(text));
        }
        let (long, binary) = ("k".repeat(256), [0, 255]);
        for unfit in [Some(long.as_bytes()), Some(&binary[..]), Some(b""), None] {
            let routing_key = routing_key(unfit, 7);
            assert!(routing_key.len() <= LONGEST);
            assert_eq!(key(&routing_key), None);
        }
        let longest = format!("~{}", "k".repeat(254));
        assert_eq!(key(&routing_key(Some(longest.as_bytes()), 0)), None);
    }
}
