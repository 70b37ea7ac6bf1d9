//! The topology as JSON, which is read again where the services of a fleet are merged.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::{Compatibility, EventDeclaration, HandlerDeclaration, StreamerUse, Topology};
use crate::codec::Codec;
use crate::dispatch::{GroupName, Hears, Policy, RetryOrder, Subscription};
use crate::event::TopicName;
use crate::store::Start;

/// Which form it is. Fields may come without another number; none may go, or change what it means.
pub(crate) const FORM: u32 = 1;

impl Topology {
    /// The whole of it as JSON, with the JSON Schema of each event by name and version.
    ///
    /// It names no line numbers, so that it changes only when what is declared does.
    pub fn to_json(&self) -> Value {
        // Text keys and numbers throughout: there is nothing in it that JSON cannot say.
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Serialize for Topology {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        TopologyForm::of(self).serialize(serializer)
    }
}

/// A service, as one program writes it and another one reads it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TopologyForm {
    #[serde(default = "first_form")]
    pub(crate) form: u32,
    pub(crate) service: String,
    /// The media types of payloads that it reads.
    #[serde(default = "json_alone")]
    pub(crate) reads: Vec<String>,
    pub(crate) events: Vec<EventForm>,
    pub(crate) handlers: Vec<HandlerForm>,
    pub(crate) streamers: Vec<StreamerForm>,
    pub(crate) subscriptions: Vec<SubscriptionForm>,
    pub(crate) schemas: BTreeMap<String, BTreeMap<u32, Value>>,
}

/// Of what was written before it said so.
fn first_form() -> u32 {
    1
}

fn json_alone() -> Vec<String> {
    vec![json()]
}

fn json() -> String {
    Codec::Json.content_type().to_owned()
}

impl TopologyForm {
    pub(crate) fn of(topology: &Topology) -> Self {
        let mut schemas: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for event in &topology.events {
            let versions = schemas.entry(event.name.to_owned()).or_default();
            versions.insert(event.version, (event.schema)().to_value());
        }
        let events = topology
            .events
            .iter()
            .map(|event| EventForm::of(topology, event));
        let handlers = topology.handlers.iter();
        let subscriptions = topology.subscriptions.iter();
        TopologyForm {
            form: FORM,
            service: topology.service.clone(),
            reads: Codec::ALL
                .iter()
                .map(|codec| codec.content_type().to_owned())
                .collect(),
            events: events.collect(),
            handlers: handlers.map(|handler| HandlerForm::of(handler)).collect(),
            streamers: topology.streamers.iter().map(StreamerForm::of).collect(),
            subscriptions: subscriptions.map(SubscriptionForm::of).collect(),
            schemas,
        }
    }
}

/// A topic, without the set of its streamer: streamers of one name are one beyond the program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct TopicForm {
    pub(crate) streamer: String,
    pub(crate) topic: String,
}

impl TopicForm {
    fn of(topic: &TopicName) -> Self {
        TopicForm {
            streamer: topic.streamer.to_owned(),
            topic: topic.topic.to_owned(),
        }
    }
}

impl fmt::Display for TopicForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.streamer, self.topic)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EventForm {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) former_names: Vec<String>,
    pub(crate) version: u32,
    #[serde(default)]
    pub(crate) compatibility: Compatibility,
    #[serde(default = "json")]
    pub(crate) content_type: String,
    /// By topic, where it is another there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    content_types: BTreeMap<String, String>,
    pub(crate) r#type: String,
    pub(crate) documentation: String,
    pub(crate) key: Option<String>,
    pub(crate) targets: Vec<TopicForm>,
}

impl EventForm {
    fn of(topology: &Topology, event: &EventDeclaration) -> Self {
        let former_names = event.former_names.iter();
        let targets = event.targets.iter();
        let usual = event.codec.unwrap_or(Codec::Json);
        let others = targets.clone().filter_map(|target| {
            let codec = topology.codec_on(event, &target.topic);
            let topic = TopicForm::of(&target.topic).to_string();
            (codec != usual).then(|| (topic, codec.content_type().to_owned()))
        });
        EventForm {
            name: event.name.to_owned(),
            former_names: former_names.map(|&name| name.to_owned()).collect(),
            version: event.version,
            compatibility: event.compatibility,
            content_type: usual.content_type().to_owned(),
            content_types: others.collect(),
            r#type: event.type_name.to_owned(),
            documentation: event.documentation.to_owned(),
            key: event.key.map(str::to_owned),
            targets: targets.map(|target| TopicForm::of(&target.topic)).collect(),
        }
    }
}

#[cfg(feature = "cli")]
impl EventForm {
    /// The media type that its payload has on a topic.
    pub(crate) fn content_type_on(&self, topic: &TopicForm) -> &str {
        let other = self.content_types.get(&topic.to_string());
        other.unwrap_or(&self.content_type)
    }
}

/// An event's name and version; none for every message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HearsForm {
    pub(crate) name: String,
    pub(crate) version: u32,
}

impl HearsForm {
    fn of(hears: Hears) -> Option<Self> {
        match hears {
            Hears::Event { name, version, .. } => Some(HearsForm {
                name: name.to_owned(),
                version,
            }),
            Hears::Everything => None,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct HandlerForm {
    pub(crate) name: String,
    pub(crate) function: String,
    pub(crate) documentation: String,
    pub(crate) event: Option<HearsForm>,
    pub(crate) sources: Vec<TopicForm>,
}

impl HandlerForm {
    fn of(handler: &HandlerDeclaration) -> Self {
        let sources = handler.sources.iter();
        HandlerForm {
            name: handler.name.to_owned(),
            function: handler.function.to_owned(),
            documentation: handler.documentation.to_owned(),
            event: HearsForm::of(handler.hears),
            sources: sources.map(|source| TopicForm::of(&source.topic)).collect(),
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StreamerForm {
    pub(crate) name: String,
    pub(crate) set: String,
    pub(crate) r#type: Option<String>,
    pub(crate) documentation: Option<String>,
    /// The only topics that there may be, where it says so.
    pub(crate) closed_topics: Option<Vec<String>>,
    /// The media type of the payloads of events that say nothing of it themselves, where it is not
    /// JSON's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    /// The topics that are mentioned.
    pub(crate) topics: Vec<String>,
    pub(crate) connected: bool,
}

impl StreamerForm {
    fn of(streamer: &StreamerUse) -> Self {
        let declaration = streamer.declaration;
        let codec = declaration.and_then(|declaration| declaration.codec);
        let owned = |topics: &[&str]| topics.iter().map(|&topic| topic.to_owned()).collect();
        StreamerForm {
            name: streamer.name.to_owned(),
            set: streamer.set.to_owned(),
            r#type: declaration.map(|declaration| declaration.kind.to_owned()),
            documentation: declaration.map(|declaration| declaration.documentation.to_owned()),
            closed_topics: declaration.and_then(|declaration| declaration.topics.map(owned)),
            content_type: codec.map(|codec| codec.content_type().to_owned()),
            topics: streamer
                .topics
                .iter()
                .map(|&topic| topic.to_owned())
                .collect(),
            connected: streamer.is_mentioned(),
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SubscriptionForm {
    pub(crate) handler: String,
    pub(crate) topic: Option<TopicForm>,
    /// None where every instance gets every event.
    pub(crate) group: Option<String>,
    pub(crate) event: Option<HearsForm>,
    /// None for the streamer's own.
    pub(crate) dead_letters: Option<TopicForm>,
    /// Of the service's own events alone.
    pub(crate) start: Option<Start>,
    pub(crate) policy: PolicyForm,
}

impl SubscriptionForm {
    fn of(subscription: &Subscription) -> Self {
        SubscriptionForm {
            handler: subscription.handler.to_owned(),
            topic: subscription.topic.as_ref().map(TopicForm::of),
            group: match &subscription.group {
                GroupName::Shared(name) => Some(name.clone()),
                GroupName::EachInstance => None,
            },
            event: HearsForm::of(subscription.hears),
            dead_letters: subscription.dead_letters.as_ref().map(TopicForm::of),
            start: subscription.topic.is_none().then_some(subscription.start),
            policy: PolicyForm::of(&subscription.policy),
        }
    }
}

/// Durations as text, such as `100ms`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PolicyForm {
    attempts: u32,
    shortest_pause: String,
    longest_pause: String,
    order: RetryOrder,
    timeout: Option<String>,
    concurrency: NonZeroUsize,
    in_flight: NonZeroUsize,
    batch: Option<BatchForm>,
    deduplicate: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct BatchForm {
    max: NonZeroUsize,
    within: String,
}

impl PolicyForm {
    fn of(policy: &Policy) -> Self {
        let text = |duration: Duration| format!("{duration:?}");
        PolicyForm {
            attempts: policy.attempts,
            shortest_pause: text(policy.shortest_pause),
            longest_pause: text(policy.longest_pause),
            order: policy.order,
            timeout: policy.timeout.map(text),
            concurrency: policy.concurrency,
            in_flight: policy.in_flight,
            batch: policy.batch.map(|batch| BatchForm {
                max: batch.max,
                within: text(batch.within),
            }),
            deduplicate: policy.deduplicate,
        }
    }
}
