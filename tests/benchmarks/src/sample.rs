//! What travels: the same for everybody.

use serde::{Deserialize, Serialize};

/// An event of 198 bytes as JSON, where nothing else is asked for. Those that need a type of their
/// own move its fields there.
#[derive(Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "plain to see")]
pub struct Sample {
    pub id: u64,
    /// When it was announced, in nanoseconds: see [`Heard::count`](crate::Heard::count).
    pub time: u64,
    pub author: String,
    pub title: String,
    pub body: String,
    pub likes: u64,
}

impl Sample {
    /// The event of this number, by one of so many authors. Its body has so many bytes more.
    pub fn new(number: u64, time: u64, authors: u64, more: usize) -> Self {
        let mut body = String::with_capacity(BODY.len() + more);
        body.push_str(BODY);
        body.extend(std::iter::repeat_n('.', more));
        Sample {
            id: 1_000_000 + number % 1_000_000,
            time,
            author: format!("somebody-{:08}", number % authors),
            title: "What a service announces".to_owned(),
            body,
            likes: 42,
        }
    }
}

const BODY: &str = "and its subscribers hear, a few bytes of it, about as many as they expect now.";

#[cfg(test)]
mod tests {
    use super::Sample;

    #[test]
    fn an_event_has_198_bytes() {
        let sample = Sample::new(7, 1_000_000_000_000, 1, 0);
        assert_eq!(serde_json::to_vec(&sample).expect("JSON").len(), 198);
    }

    #[test]
    fn a_larger_one_has_so_many_more() {
        let sample = Sample::new(7, 1_000_000_000_000, 1, 100);
        assert_eq!(serde_json::to_vec(&sample).expect("JSON").len(), 298);
    }
}
