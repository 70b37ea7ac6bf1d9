//! What the linked code declares, gathered once.
//!
//! Nothing else reads the registry: what is subscribed and connected, the start-up checks and
//! every printed form come from here.

mod asyncapi;
mod declaration;
#[cfg(feature = "cli")]
pub(crate) mod fleet;
mod json;
#[cfg(feature = "cli")]
pub(crate) mod picture;
#[doc(hidden)]
pub mod proof;
pub(crate) mod schemas;
mod text;

use std::collections::BTreeSet;

pub use declaration::{
    EventDeclaration, GroupDeclaration, HandlerDeclaration, Listening, Location, SetDeclaration,
    StreamerDeclaration, Target,
};
#[doc(hidden)]
pub use declaration::{Field, Set, TakesDeadLetters};

pub use schemas::Compatibility;
#[cfg(feature = "cli")]
pub(crate) use text::columns;

use crate::codec::Codec;
pub use crate::dispatch::{BatchPolicy, GroupName, Hears, Policy, RetryOrder, Subscription};
use crate::event::TopicName;

/// Everything that the code linked into this program declares.
///
/// All lists are sorted by name, so that the printed forms of two versions can be compared line
/// by line. `Display` writes it for a person, [`to_json`](Topology::to_json) for a program, and
/// [`asyncapi`](Topology::asyncapi) for those who have never seen the code.
///
/// ```standalone_crate
/// use fanfare::App;
///
/// let topology = App::new("blog").topology();
/// println!("{topology}");
/// assert!(topology.events.is_empty());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Topology {
    /// The service's name.
    pub service: String,
    /// The events, each version by itself.
    pub events: Vec<&'static EventDeclaration>,
    /// The handlers.
    pub handlers: Vec<&'static HandlerDeclaration>,
    /// The streamers: those that are declared, and those that are mentioned.
    pub streamers: Vec<StreamerUse>,
    /// What is subscribed: one for each handler and topic, and one for each handler that hears
    /// the service's own events.
    pub subscriptions: Vec<Subscription>,
}

/// A streamer, and what the code wants of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StreamerUse {
    /// Its declared name.
    pub name: &'static str,
    /// The path of the struct that declares it.
    pub set: &'static str,
    /// Its declaration; `None` where the struct is not linked.
    pub declaration: Option<&'static StreamerDeclaration>,
    /// The topics that are mentioned. Where there are none, the streamer is not connected.
    pub topics: BTreeSet<&'static str>,
    /// Who mentions it.
    pub mentions: Vec<Mention>,
}

impl StreamerUse {
    /// Whether the code mentions it, so that the app connects to it.
    pub fn is_mentioned(&self) -> bool {
        !self.mentions.is_empty()
    }
}

/// An event or a handler that mentions a streamer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mention {
    /// `event` or `handler`.
    pub kind: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Where it is written.
    pub location: Location,
}

impl Topology {
    /// Reads what the code declares.
    pub(crate) fn gather(service: &str) -> Self {
        let mut sets: Vec<_> = inventory::iter::<SetDeclaration>().collect();
        sets.sort_by_key(|set| set.set);
        Topology::of(
            service,
            &sets,
            inventory::iter::<EventDeclaration>().collect(),
            inventory::iter::<HandlerDeclaration>().collect(),
        )
    }

    pub(crate) fn of(
        service: &str,
        sets: &[&'static SetDeclaration],
        mut events: Vec<&'static EventDeclaration>,
        mut handlers: Vec<&'static HandlerDeclaration>,
    ) -> Self {
        events.sort_by_key(|event| (event.name, event.version, event.type_name));
        handlers.sort_by_key(|handler| (handler.name, handler.function));
        let subscriptions = handlers
            .iter()
            .flat_map(|handler| subscriptions(service, handler));
        Topology {
            service: service.to_owned(),
            streamers: streamers(sets, &events, &handlers),
            subscriptions: subscriptions.collect(),
            events,
            handlers,
        }
    }

    /// A handler's name beyond its service: of its group, its cursor, its marks and dead letters.
    pub(crate) fn full_name(&self, handler: &str) -> String {
        full_name(&self.service, handler)
    }

    /// A topic's name in the store: of the right to stream there, and the first part of its
    /// cursors. Where the service has two streamers of one name, their sets' names are in it.
    pub(crate) fn log_name(&self, topic: &TopicName) -> String {
        let mut streamers = self.streamers.iter();
        let has_twin =
            streamers.any(|other| other.name == topic.streamer && other.set != topic.set);
        if has_twin {
            format!("{}:{}:{topic}", self.service, topic.set)
        } else {
            format!("{}:{topic}", self.service)
        }
    }

    /// How an event is written on a topic.
    pub(crate) fn codec_on(&self, event: &EventDeclaration, topic: &TopicName) -> Codec {
        let mut streamers = self.streamers.iter();
        let is_it = |it: &&StreamerUse| (it.set, it.name) == (topic.set, topic.streamer);
        let declared = streamers.find(is_it).and_then(|it| it.declaration);
        let of_streamer = declared.and_then(|declared| declared.codec);
        event.codec.or(of_streamer).unwrap_or(Codec::Json)
    }

    /// How a handler listens on a topic.
    pub(crate) fn listening(&self, handler: &str, topic: &TopicName) -> Option<&'static Listening> {
        let mut handlers = self.handlers.iter();
        let handler = handlers.find(|known| known.name == handler)?;
        let mut sources = handler.sources.iter();
        sources.find(|source| source.topic.is(topic))
    }

    /// The handlers that share the events of a topic, by topic and group. A handler's own
    /// instances do not count.
    pub(crate) fn shared(&self) -> Vec<(TopicName, String, Vec<&'static HandlerDeclaration>)> {
        let mut groups: Vec<(TopicName, String, Vec<&'static HandlerDeclaration>)> = Vec::new();
        for &handler in &self.handlers {
            let GroupName::Shared(group) = group(&self.service, handler) else {
                continue;
            };
            for source in handler.sources {
                let mut known = groups.iter_mut();
                let known =
                    known.find(|(topic, name, _)| topic.is(&source.topic) && *name == group);
                match known {
                    Some((.., handlers))
                        if handlers.iter().any(|known| known.name == handler.name) => {}
                    Some((.., handlers)) => handlers.push(handler),
                    None => groups.push((source.topic, group.clone(), vec![handler])),
                }
            }
        }
        groups.retain(|(.., handlers)| handlers.len() > 1);
        groups
    }

    /// How to publish the dead letters of a handler that names a topic for them.
    pub(crate) fn dead_letters(&self, topic: &TopicName) -> Option<&'static Target> {
        let targets = self
            .handlers
            .iter()
            .filter_map(|handler| handler.dead_letters.as_ref());
        targets.into_iter().find(|target| target.topic.is(topic))
    }
}

fn full_name(service: &str, handler: &str) -> String {
    format!("{service}.{handler}")
}

/// Its own group, where the handler says nothing.
fn group(service: &str, handler: &HandlerDeclaration) -> GroupName {
    match handler.group {
        None => GroupName::Shared(full_name(service, handler.name)),
        Some(GroupDeclaration::Named(name)) => GroupName::Shared(name.to_owned()),
        Some(GroupDeclaration::EachInstance) => GroupName::EachInstance,
    }
}

/// One for each source of a handler; one without a topic where it has none.
fn subscriptions(service: &str, handler: &'static HandlerDeclaration) -> Vec<Subscription> {
    let of = |topic| Subscription {
        handler: handler.name,
        topic,
        group: group(service, handler),
        hears: handler.hears,
        dead_letters: handler.dead_letters.map(|target| target.topic),
        start: handler.start,
        policy: handler.policy,
        handle: handler.handle,
    };
    match handler.sources {
        [] => vec![of(None)],
        sources => sources
            .iter()
            .map(|source| of(Some(source.topic)))
            .collect(),
    }
}

fn streamers(
    sets: &[&'static SetDeclaration],
    events: &[&'static EventDeclaration],
    handlers: &[&'static HandlerDeclaration],
) -> Vec<StreamerUse> {
    let mut streamers = Vec::new();
    for set in sets {
        for declaration in set.streamers {
            entry(&mut streamers, set.set, declaration.name).declaration = Some(declaration);
        }
    }
    let mut mention = |topic: &TopicName, kind, name, location| {
        let streamer = entry(&mut streamers, topic.set, topic.streamer);
        streamer.topics.insert(topic.topic);
        let mention = Mention {
            kind,
            name,
            location,
        };
        if !streamer.mentions.contains(&mention) {
            streamer.mentions.push(mention);
        }
    };
    for event in events {
        for target in event.targets {
            mention(&target.topic, "event", event.name, event.location);
        }
    }
    for handler in handlers {
        let sources = handler.sources.iter().map(|source| &source.topic);
        let dead_letters = handler.dead_letters.iter().map(|target| &target.topic);
        for topic in sources.chain(dead_letters) {
            mention(topic, "handler", handler.name, handler.location);
        }
    }
    streamers.sort_by_key(|streamer| (streamer.name, streamer.set));
    streamers
}

fn entry<'a>(
    streamers: &'a mut Vec<StreamerUse>,
    set: &'static str,
    name: &'static str,
) -> &'a mut StreamerUse {
    let known = streamers
        .iter()
        .position(|streamer| (streamer.set, streamer.name) == (set, name));
    let at = known.unwrap_or_else(|| {
        streamers.push(StreamerUse {
            name,
            set,
            declaration: None,
            topics: BTreeSet::new(),
            mentions: Vec::new(),
        });
        streamers.len() - 1
    });
    &mut streamers[at]
}
