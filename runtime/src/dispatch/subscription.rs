//! What is subscribed: streamer, topic, group, guarantee and target.

use std::fmt;

use super::{Handle, Policy};
use crate::event::{Message, TopicName};
use crate::store::Start;

/// One handler's ear on one topic.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The handler's name, unique in the service.
    pub handler: &'static str,
    /// The topic; `None` for the service's own events.
    pub topic: Option<TopicName>,
    /// Who shares the events.
    pub group: GroupName,
    /// What the handler takes.
    pub hears: Hears,
    /// Where its failures go; `None` for the streamer's own default.
    pub dead_letters: Option<TopicName>,
    /// Where a new handler of the service's own events starts, with a store.
    pub start: Start,
    /// How it is tried.
    pub policy: Policy,
    pub(crate) handle: Handle,
}

impl Subscription {
    /// Where from, in words.
    pub(crate) fn from(&self) -> impl fmt::Display {
        fmt::from_fn(|f| match self.topic {
            Some(topic) => fmt::Display::fmt(&topic, f),
            None => f.write_str("this service"),
        })
    }
}

/// The group of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupName {
    /// All instances of the service share the events.
    Shared(String),
    /// Every instance gets every event.
    EachInstance,
}

/// What a handler takes off its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hears {
    /// Events of one name, in this version or an older one.
    Event {
        /// The event's name.
        name: &'static str,
        /// The names that it had before.
        former_names: &'static [&'static str],
        /// The version it is brought up to.
        version: u32,
    },
    /// Every message.
    Everything,
}

impl Hears {
    /// Whether events of this name are for this handler.
    pub(crate) fn hears(self, kind: &str) -> bool {
        match self {
            Hears::Event {
                name, former_names, ..
            } => kind == name || former_names.contains(&kind),
            Hears::Everything => true,
        }
    }

    /// Whether a message is for this handler. One that is no event may be: whether its payload
    /// decodes says the attempt.
    pub(crate) fn takes(self, message: &Message) -> bool {
        match (self, message) {
            (Hears::Event { .. }, Message::Event(event)) => self.hears(event.kind()),
            (Hears::Event { .. }, Message::Foreign(_)) | (Hears::Everything, _) => true,
        }
    }
}
