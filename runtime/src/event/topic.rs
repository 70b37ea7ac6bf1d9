//! Where an event goes: a topic of a declared streamer.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;

/// A topic of a declared streamer, without the streamer's type.
///
/// Equal when set, streamer and topic are equal. `Display` gives `streamer/topic`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct TopicName {
    /// The streamer's declared name, such as `main-kafka`.
    pub streamer: &'static str,
    /// The topic's name, as the streamer knows it.
    pub topic: &'static str,
    /// The path of the struct that declares the streamer: names are unique within one set.
    #[serde(skip)]
    pub set: &'static str,
}

impl TopicName {
    /// Whether both name the same topic, in a constant.
    pub const fn is(&self, other: &TopicName) -> bool {
        same(self.streamer, other.streamer)
            && same(self.topic, other.topic)
            && same(self.set, other.set)
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.streamer, self.topic)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

pub(crate) const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// A topic of a streamer of type `S`: what `streamer!("name", "topic")` expands to.
///
/// The type carries what the streamer can do, so that a guarantee it cannot give does not
/// compile.
pub struct Topic<S> {
    name: TopicName,
    streamer: PhantomData<fn() -> S>,
}

impl<S> Topic<S> {
    /// What `streamer!` expands to; written by the derive, not by hand.
    #[doc(hidden)]
    pub const fn new(set: &'static str, streamer: &'static str, topic: &'static str) -> Self {
        Topic {
            name: TopicName {
                streamer,
                topic,
                set,
            },
            streamer: PhantomData,
        }
    }

    /// The topic without its streamer's type.
    pub const fn name(&self) -> TopicName {
        self.name
    }
}

impl<S> Clone for Topic<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Topic<S> {}

impl<S> fmt::Debug for Topic<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.name, f)
    }
}
