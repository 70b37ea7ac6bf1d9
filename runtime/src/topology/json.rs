//! The topology as JSON.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use schemars::Schema;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{Compatibility, EventDeclaration, HandlerDeclaration, StreamerUse, Topology};
use crate::dispatch::{GroupName, Hears, Policy, RetryOrder, Subscription};
use crate::event::TopicName;
use crate::store::Start;

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
        let mut schemas: BTreeMap<&str, BTreeMap<u32, Schema>> = BTreeMap::new();
        for event in &self.events {
            let versions = schemas.entry(event.name).or_default();
            versions.insert(event.version, (event.schema)());
        }
        let form = TopologyForm {
            service: &self.service,
            events: self
                .events
                .iter()
                .map(|event| EventForm::of(event))
                .collect(),
            handlers: self
                .handlers
                .iter()
                .map(|handler| HandlerForm::of(handler))
                .collect(),
            streamers: self.streamers.iter().map(StreamerForm::of).collect(),
            subscriptions: self
                .subscriptions
                .iter()
                .map(SubscriptionForm::of)
                .collect(),
            schemas,
        };
        form.serialize(serializer)
    }
}

#[derive(Serialize)]
struct TopologyForm<'a> {
    service: &'a str,
    events: Vec<EventForm>,
    handlers: Vec<HandlerForm>,
    streamers: Vec<StreamerForm<'a>>,
    subscriptions: Vec<SubscriptionForm<'a>>,
    schemas: BTreeMap<&'a str, BTreeMap<u32, Schema>>,
}

#[derive(Serialize)]
struct EventForm {
    name: &'static str,
    former_names: &'static [&'static str],
    version: u32,
    compatibility: Compatibility,
    r#type: &'static str,
    documentation: &'static str,
    key: Option<&'static str>,
    targets: Vec<TopicName>,
}

impl EventForm {
    fn of(event: &EventDeclaration) -> Self {
        EventForm {
            name: event.name,
            former_names: event.former_names,
            version: event.version,
            compatibility: event.compatibility,
            r#type: event.type_name,
            documentation: event.documentation,
            key: event.key,
            targets: event.targets.iter().map(|target| target.topic).collect(),
        }
    }
}

/// An event's name and version; none for every message.
#[derive(Serialize)]
struct HearsForm {
    name: &'static str,
    version: u32,
}

impl HearsForm {
    fn of(hears: Hears) -> Option<Self> {
        match hears {
            Hears::Event { name, version, .. } => Some(HearsForm { name, version }),
            Hears::Everything => None,
        }
    }
}

#[derive(Serialize)]
struct HandlerForm {
    name: &'static str,
    function: &'static str,
    documentation: &'static str,
    event: Option<HearsForm>,
    sources: Vec<TopicName>,
}

impl HandlerForm {
    fn of(handler: &HandlerDeclaration) -> Self {
        HandlerForm {
            name: handler.name,
            function: handler.function,
            documentation: handler.documentation,
            event: HearsForm::of(handler.hears),
            sources: handler.sources.iter().map(|source| source.topic).collect(),
        }
    }
}

#[derive(Serialize)]
struct StreamerForm<'a> {
    name: &'static str,
    set: &'static str,
    r#type: Option<&'static str>,
    documentation: Option<&'static str>,
    /// The only topics that there may be, where it says so.
    closed_topics: Option<&'static [&'static str]>,
    /// The topics that are mentioned.
    topics: Vec<&'a str>,
    connected: bool,
}

impl<'a> StreamerForm<'a> {
    fn of(streamer: &'a StreamerUse) -> Self {
        let declaration = streamer.declaration;
        StreamerForm {
            name: streamer.name,
            set: streamer.set,
            r#type: declaration.map(|declaration| declaration.kind),
            documentation: declaration.map(|declaration| declaration.documentation),
            closed_topics: declaration.and_then(|declaration| declaration.topics),
            topics: streamer.topics.iter().copied().collect(),
            connected: streamer.is_mentioned(),
        }
    }
}

#[derive(Serialize)]
struct SubscriptionForm<'a> {
    handler: &'static str,
    topic: Option<TopicName>,
    /// None where every instance gets every event.
    group: Option<&'a str>,
    event: Option<HearsForm>,
    /// None for the streamer's own.
    dead_letters: Option<TopicName>,
    /// Of the service's own events alone.
    start: Option<Start>,
    policy: PolicyForm,
}

impl<'a> SubscriptionForm<'a> {
    fn of(subscription: &'a Subscription) -> Self {
        SubscriptionForm {
            handler: subscription.handler,
            topic: subscription.topic,
            group: match &subscription.group {
                GroupName::Shared(name) => Some(name),
                GroupName::EachInstance => None,
            },
            event: HearsForm::of(subscription.hears),
            dead_letters: subscription.dead_letters,
            start: subscription.topic.is_none().then_some(subscription.start),
            policy: PolicyForm::of(&subscription.policy),
        }
    }
}

/// Durations as text, such as `100ms`.
#[derive(Serialize)]
struct PolicyForm {
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

#[derive(Serialize)]
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
