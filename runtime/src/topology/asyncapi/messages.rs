//! Messages: the events, each version by itself.

use serde_json::{Map, Value, json};

use super::keys::Keys;
use super::protocol::Protocol;
use super::{describe, headers, reference};
use crate::codec::Codec;
use crate::event::TopicName;
use crate::topology::schemas::without_notes;
use crate::topology::{EventDeclaration, Hears, Topology};

/// The key of a message of which nothing is known.
pub(super) const ANY: &str = "any-message";

pub(super) struct Message {
    pub(super) key: String,
    pub(super) event: &'static EventDeclaration,
    /// Where it is sent to.
    pub(super) targets: Vec<TopicName>,
    schema: schemars::Schema,
}

/// All events that are declared. Those of one name, version and shape are one message.
pub(super) struct Messages(Vec<Message>);

impl Messages {
    pub(super) fn of(topology: &Topology) -> Self {
        let (mut messages, mut keys) = (Vec::<Message>::new(), Keys::default());
        for &event in &topology.events {
            let schema = (event.schema)();
            let targets = event.targets.iter().map(|target| target.topic);
            let mut known = messages.iter_mut();
            if let Some(known) = known.find(|known| known.is(event, &schema)) {
                known.targets.extend(targets);
                continue;
            }
            messages.push(Message {
                key: keys.give(&[event.name, &format!("v{}", event.version)]),
                event,
                targets: targets.collect(),
                schema,
            });
        }
        Messages(messages)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Message)> {
        self.0.iter().enumerate()
    }

    pub(super) fn get(&self, nth: usize) -> &Message {
        &self.0[nth]
    }

    /// What a handler knows of what it takes: its event in this version and the older ones.
    pub(super) fn heard(&self, hears: Hears) -> impl Iterator<Item = usize> {
        let is_heard = move |event: &EventDeclaration| match hears {
            Hears::Event { version, .. } => hears.hears(event.name) && event.version <= version,
            Hears::Everything => false,
        };
        let heard = self
            .iter()
            .filter(move |(_, message)| is_heard(message.event));
        heard.map(|(nth, _)| nth)
    }
}

impl Message {
    fn is(&self, event: &EventDeclaration, schema: &schemars::Schema) -> bool {
        (self.event.name, self.event.version) == (event.name, event.version)
            && without_notes(self.schema.as_value()) == without_notes(schema.as_value())
    }

    pub(super) fn schema(&self) -> schemars::Schema {
        self.schema.clone()
    }

    /// What it is called among the components, as this protocol carries it in this codec.
    pub(super) fn key_on(&self, protocol: &Protocol, codec: Codec) -> String {
        let mut key = self.key.clone();
        if let Some(name) = protocol.bindings() {
            key = format!("{key}.{name}");
        }
        if codec != self.event.codec.unwrap_or(Codec::Json) {
            key = format!("{key}.{}", codec.to_string().to_lowercase());
        }
        key
    }

    pub(super) fn to_json(&self, protocol: &Protocol, codec: Codec) -> Value {
        let event = self.event;
        let mut message = Map::from_iter([
            ("name".to_owned(), json!(event.name)),
            (
                "title".to_owned(),
                json!(format!("{} v{}", event.name, event.version)),
            ),
            ("contentType".to_owned(), json!(codec.content_type())),
            ("headers".to_owned(), headers::of(protocol, event)),
            (
                "payload".to_owned(),
                reference(&["components", "schemas", &self.key]),
            ),
            (
                "correlationId".to_owned(),
                reference(&["components", "correlationIds", &headers::key(protocol)]),
            ),
        ]);
        describe(&mut message, event.documentation);
        if let Some(bindings) = bindings(protocol, event) {
            message.insert("bindings".to_owned(), bindings);
        }
        if let Some(Value::Array(examples)) = self.schema.get("examples") {
            let examples = examples.iter().map(|example| json!({"payload": example}));
            message.insert("examples".to_owned(), examples.collect());
        }
        message.into()
    }
}

/// What the protocol has beside headers and payload.
fn bindings(protocol: &Protocol, event: &EventDeclaration) -> Option<Value> {
    match (protocol.bindings()?, event.key) {
        ("kafka", Some(key)) => Some(json!({"kafka": {
            "key": headers::key_of(key),
            "bindingVersion": "0.5.0",
        }})),
        ("amqp", _) => Some(json!({"amqp": {
            "messageType": event.name,
            "bindingVersion": "0.3.0",
        }})),
        _ => None,
    }
}

/// A message of which nothing is known.
pub(super) fn any() -> Value {
    json!({
        "title": "Any message",
        "description": "The code that hears it takes every message, and none is declared.",
    })
}
