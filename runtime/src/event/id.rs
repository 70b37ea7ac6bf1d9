//! The identity of an event.

use std::borrow::Cow;
use std::fmt;
use std::sync::Mutex;
use std::time::SystemTime;

use arcstr::ArcStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::{ContextV7, Timestamp, Uuid};

use super::EnvelopeError;
use super::envelope::check;

/// What tells one event from every other of its source: the `CloudEvents` attribute `id`
/// (specification 1.0.2, section "id").
///
/// Ids of our own are UUIDs of version 7: they sort by the time they were made, and making,
/// cloning and comparing one allocates nothing. Ids that others chose are any non-empty text,
/// kept exactly as it was read. Two ids are equal when their texts are.
///
/// ```
/// use fanfare::event::EventId;
///
/// let ours = EventId::new();
/// assert_eq!(EventId::parse(&ours.to_string())?, ours);
///
/// let theirs = EventId::parse("A234-1234-1234")?;
/// assert_eq!(theirs.to_string(), "A234-1234-1234");
/// # Ok::<(), fanfare::event::EnvelopeError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EventId(Repr);

/// `Text` never holds a canonical UUID, so that comparing representations compares texts.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    Uuid(Uuid),
    Text(ArcStr),
}

/// When the last id was made, so that the next one is later.
static MADE: Mutex<ContextV7> = Mutex::new(ContextV7::new());

impl EventId {
    /// A fresh id: a UUID of version 7, later than every one made before it in this process.
    #[allow(
        clippy::new_without_default,
        reason = "a default that differs each time surprises"
    )]
    pub fn new() -> EventId {
        EventId::made_at(SystemTime::now())
    }

    /// As [`new`](EventId::new), for one who has looked at the clock.
    pub(crate) fn made_at(now: SystemTime) -> EventId {
        let since = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let made = Timestamp::from_unix(&MADE, since.as_secs(), since.subsec_nanos());
        EventId(Repr::Uuid(Uuid::new_v7(made)))
    }

    /// Reads an id, keeping its text exactly.
    ///
    /// # Errors
    /// [`EnvelopeError::Empty`], or [`EnvelopeError::Character`] where the text holds a
    /// character that `CloudEvents` text must not.
    pub fn parse(text: &str) -> Result<EventId, EnvelopeError> {
        if let Some(uuid) = canonical_uuid(text) {
            return Ok(EventId(Repr::Uuid(uuid)));
        }
        check::required_text("id", text)?;
        Ok(EventId(Repr::Text(ArcStr::from(text))))
    }
}

/// The UUID of which `text` is the lowercase hyphenated form, and no other spelling of it.
fn canonical_uuid(text: &str) -> Option<Uuid> {
    if text.len() != uuid::fmt::Hyphenated::LENGTH {
        return None;
    }
    // Of this length there is no other form but in upper case.
    let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    is_lower.then(|| Uuid::try_parse(text).ok()).flatten()
}

impl From<Uuid> for EventId {
    fn from(uuid: Uuid) -> EventId {
        EventId(Repr::Uuid(uuid))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Uuid(uuid) => fmt::Display::fmt(uuid, f),
            Repr::Text(text) => fmt::Display::fmt(text, f),
        }
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({self})")
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<EventId, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        EventId::parse(&text).map_err(serde::de::Error::custom)
    }
}
