//! Channels: the topics of each streamer, and what travels there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::keys::Keys;
use super::messages::{self, Messages};
use super::protocol::Protocol;
use super::servers::{Server, Servers};
use super::{headers, reference, schemas};
use crate::codec::Codec;
use crate::event::TopicName;
use crate::topology::Topology;

pub(super) struct Channel<'a> {
    pub(super) key: String,
    pub(super) topic: TopicName,
    server: &'a Server<'a>,
    /// What is known to travel there, by its place among the messages, with its key here.
    messages: BTreeMap<usize, Travels>,
}

/// A message as a channel's protocol carries it.
struct Travels {
    key: String,
    component: String,
    codec: Codec,
}

pub(super) struct Channels<'a>(Vec<Channel<'a>>);

impl<'a> Channels<'a> {
    pub(super) fn of(topology: &Topology, servers: &'a Servers<'a>, messages: &Messages) -> Self {
        let mut keys = Keys::default();
        let channel = |(server, topic): (&'a Server<'a>, TopicName)| {
            let travel = |nth| {
                let message = messages.get(nth);
                let codec = topology.codec_on(message.event, &topic);
                let travels = Travels {
                    key: message.key.clone(),
                    component: message.key_on(&server.protocol, codec),
                    codec,
                };
                (nth, travels)
            };
            let there = there(topology, messages, &topic);
            Channel {
                key: keys.give(&[&server.key, topic.topic]),
                topic,
                server,
                messages: there.into_iter().map(travel).collect(),
            }
        };
        Channels(servers.topics().map(channel).collect())
    }

    pub(super) fn of_topic(&self, topic: &TopicName) -> Option<&Channel<'a>> {
        self.0.iter().find(|channel| channel.topic.is(topic))
    }

    pub(super) fn to_json(&self) -> Value {
        let entry = |channel: &Channel<'_>| (channel.key.clone(), channel.to_json());
        self.0.iter().map(entry).collect::<Map<_, _>>().into()
    }

    /// What the channels refer to.
    pub(super) fn components(&self, messages: &Messages) -> Value {
        let (mut parts, mut keys) = (Parts::default(), Keys::default());
        for (_, message) in messages.iter() {
            keys.give(&[&message.key]);
        }
        let mut has_schema = BTreeSet::new();
        for channel in &self.0 {
            let protocol = channel.protocol();
            if channel.messages.is_empty() {
                parts
                    .messages
                    .insert(messages::ANY.to_owned(), messages::any());
            } else {
                let key = headers::key(protocol);
                let correlation = headers::correlation(protocol);
                parts.correlations.insert(key.clone(), correlation);
                parts.schemas.insert(key, headers::common(protocol));
            }
            for (&nth, travels) in &channel.messages {
                let message = messages.get(nth);
                let component = message.to_json(protocol, travels.codec);
                parts.messages.insert(travels.component.clone(), component);
                if has_schema.insert(nth) {
                    schemas::add(
                        &mut parts.schemas,
                        &mut keys,
                        &message.key,
                        message.schema(),
                    );
                }
            }
        }
        json!({
            "messages": parts.messages,
            "schemas": parts.schemas,
            "correlationIds": parts.correlations,
        })
    }
}

/// The components of the document.
#[derive(Default)]
struct Parts {
    messages: Map<String, Value>,
    schemas: Map<String, Value>,
    correlations: Map<String, Value>,
}

/// What travels on a topic: what is sent there, and what a handler that listens there, or sends
/// its dead letters there, can take.
fn there(topology: &Topology, messages: &Messages, topic: &TopicName) -> BTreeSet<usize> {
    let sent = messages.iter().filter(|(_, it)| it.targets.contains(topic));
    let mut there: BTreeSet<_> = sent.map(|(nth, _)| nth).collect();
    for handler in &topology.handlers {
        let mut sources = handler.sources.iter();
        if sources.any(|source| source.topic.is(topic))
            || handler.dead_letters.is_some_and(|it| it.topic.is(topic))
        {
            there.extend(messages.heard(handler.hears));
        }
    }
    there
}

impl Channel<'_> {
    pub(super) fn protocol(&self) -> &Protocol {
        &self.server.protocol
    }

    /// A reference to it.
    pub(super) fn reference(&self) -> Value {
        reference(&["channels", &self.key])
    }

    /// References to those of the messages that travel here; `None` where none
    /// of them does.
    pub(super) fn messages(&self, messages: impl Iterator<Item = usize>) -> Option<Value> {
        let travels = messages.filter_map(|nth| self.messages.get(&nth));
        let refer = |it: &Travels| reference(&["channels", &self.key, "messages", &it.key]);
        let references: Vec<_> = travels.map(refer).collect();
        (!references.is_empty()).then(|| references.into())
    }

    fn to_json(&self) -> Value {
        let mut messages: Map<_, _> = self.messages.values().map(Travels::entry).collect();
        if messages.is_empty() {
            let any = reference(&["components", "messages", messages::ANY]);
            messages.insert(messages::ANY.to_owned(), any);
        }
        let mut channel = Map::from_iter([
            ("address".to_owned(), json!(self.topic.topic)),
            (
                "servers".to_owned(),
                json!([reference(&["servers", &self.server.key])]),
            ),
            ("messages".to_owned(), messages.into()),
        ]);
        let parameters = parameters(self.topic.topic);
        if !parameters.is_empty() {
            channel.insert("parameters".to_owned(), parameters.into());
        }
        if self.protocol().bindings() == Some("amqp") {
            channel.insert("bindings".to_owned(), exchange(self.topic.topic));
        }
        channel.into()
    }
}

impl Travels {
    fn entry(&self) -> (String, Value) {
        let component = reference(&["components", "messages", &self.component]);
        (self.key.clone(), component)
    }
}

/// What stands in braces in an address is a parameter: that of a topic stands for itself.
fn parameters(topic: &str) -> Map<String, Value> {
    let opened = topic.split('{').skip(1);
    let names = opened.filter_map(|rest| Some(rest.split_once('}')?.0));
    let parameter = |name: &str| {
        let itself = format!("{{{name}}}");
        let value = json!({"enum": [itself], "default": itself});
        (name.to_owned(), value)
    };
    let names = names.filter(|name| !name.is_empty());
    names.map(parameter).collect()
}

/// What a topic is at `RabbitMQ`.
fn exchange(topic: &str) -> Value {
    json!({"amqp": {
        "is": "routingKey",
        "exchange": {"name": topic, "type": "topic", "durable": true, "autoDelete": false},
        "bindingVersion": "0.3.0",
    }})
}
