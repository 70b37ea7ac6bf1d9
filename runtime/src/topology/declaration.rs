//! What the macros register at compile time.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;

use schemars::Schema;

use super::Compatibility;
use crate::codec::Codec;
use crate::dispatch::{Handle, Hears, Policy};
use crate::event::{Topic, TopicName};
use crate::handler::{Needs, SchemaCheck};
use crate::store::Start;
use crate::streamer::{Deliver, Guarantee, Publish, PublishAny, Source};

/// A place in the user's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// As `file!()` gives it.
    pub file: &'static str,
    /// From 1.
    pub line: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A struct with `#[derive(Streamers)]`.
#[derive(Debug)]
pub struct SetDeclaration {
    /// The struct's path.
    pub set: &'static str,
    /// Its fields.
    pub streamers: &'static [StreamerDeclaration],
    /// Where it is written.
    pub location: Location,
}

/// A field of it.
#[derive(Debug)]
pub struct StreamerDeclaration {
    /// The declared name.
    pub name: &'static str,
    /// The field's type, as written.
    pub kind: &'static str,
    /// The only topics there are, if it says so.
    pub topics: Option<&'static [&'static str]>,
    /// How the payloads of events are written there that say nothing of it themselves, if it says so.
    pub codec: Option<Codec>,
    /// The doc comment.
    pub documentation: &'static str,
}

/// An event type.
#[derive(Debug)]
pub struct EventDeclaration {
    /// Its name on the wire.
    pub name: &'static str,
    /// The names that it had before.
    pub former_names: &'static [&'static str],
    /// Its version.
    pub version: u32,
    /// How its shape may change without a new version.
    pub compatibility: Compatibility,
    /// How its payload is written, if it says so; else as its streamer says, or in JSON.
    pub codec: Option<Codec>,
    /// The Avro schema that it gives, if it does.
    pub avro_schema: Option<&'static str>,
    /// The type's path.
    pub type_name: &'static str,
    /// The type.
    pub type_id: fn() -> TypeId,
    /// The doc comment.
    pub documentation: &'static str,
    /// The field that is the key.
    pub key: Option<&'static str>,
    /// Where it is streamed to.
    pub targets: &'static [Target],
    /// The JSON Schema of its payload.
    pub schema: fn() -> Schema,
    /// Where it is written.
    pub location: Location,
}

/// A handler.
#[derive(Debug)]
pub struct HandlerDeclaration {
    /// Its name, unique in the service.
    pub name: &'static str,
    /// The function's path.
    pub function: &'static str,
    /// The doc comment.
    pub documentation: &'static str,
    /// What it takes.
    pub hears: Hears,
    /// Where from; none for the service's own events.
    pub sources: &'static [Listening],
    /// The group it names, if it does.
    pub group: Option<GroupDeclaration>,
    /// Where its failures go, if it says so.
    pub dead_letters: Option<Target>,
    /// What it asks of its streamers.
    pub guarantees: &'static [Guarantee],
    /// Where it starts when it is new, if it hears the service's own events from a store.
    pub start: Start,
    /// How it is tried.
    pub policy: Policy,
    /// What its extractors need of the app.
    pub needs: fn(&mut Needs),
    /// What the payload has to be besides, if it says so.
    #[doc(hidden)]
    pub json_schema: Option<&'static SchemaCheck>,
    /// Decodes, extracts and calls.
    pub handle: Handle,
    /// Where it is written.
    pub location: Location,
}

/// `group = ...` of a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupDeclaration {
    /// A name of its own.
    Named(&'static str),
    /// Every instance gets every event.
    EachInstance,
}

type Object = Arc<dyn Any + Send + Sync>;

/// A topic that is published to, with the proof that it can be.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The topic.
    pub topic: TopicName,
    pub(crate) open: fn(Object) -> Option<Arc<dyn PublishAny>>,
}

impl Target {
    /// A target on a streamer that publishes.
    pub const fn new<S: Publish>(topic: Topic<S>) -> Self {
        Target {
            topic: topic.name(),
            open: |streamer| Some(streamer.downcast::<S>().ok()? as Arc<dyn PublishAny>),
        }
    }
}

/// A topic that is listened on, with the proof that it can be, and that what could not be
/// handled can be dead-lettered beside it.
#[derive(Clone, Copy, Debug)]
pub struct Listening {
    /// The topic.
    pub topic: TopicName,
    pub(crate) open: fn(Object) -> Option<Source>,
    pub(crate) dead_letters: fn(Object) -> Option<Arc<dyn PublishAny>>,
}

impl Listening {
    /// A source on a streamer that delivers, and keeps the dead letters too.
    pub const fn new<S: Deliver + TakesDeadLetters>(topic: Topic<S>) -> Self {
        Listening {
            dead_letters: Target::new(topic).open,
            ..Listening::without_dead_letters(topic)
        }
    }

    /// A source on a streamer that delivers, for a handler that says where its dead letters go.
    pub const fn without_dead_letters<S: Deliver>(topic: Topic<S>) -> Self {
        Listening {
            topic: topic.name(),
            open: |streamer| Some(streamer.downcast::<S>().ok()?.source()),
            dead_letters: |_| None,
        }
    }
}

/// A streamer that can take the dead letters of what it delivers: any that publishes.
#[diagnostic::on_unimplemented(
    message = "the dead letters of what `{Self}` delivers have nowhere to go, because it cannot be published to",
    label = "streamed from one that only delivers",
    note = "say where they go: `dead_letter = streamer!(...)`"
)]
pub trait TakesDeadLetters: Publish {}

#[diagnostic::do_not_recommend]
impl<S: Publish> TakesDeadLetters for S {}

/// A struct with `#[derive(Streamers)]`, as constants know it.
pub trait Set {
    /// Its path.
    const PATH: &'static str;
}

/// One of its fields, by its place among them.
pub trait Field<const NTH: usize> {
    /// The field's type.
    type Streamer;
}

inventory::collect!(SetDeclaration);
inventory::collect!(EventDeclaration);
inventory::collect!(HandlerDeclaration);
