//! Operations: what the service sends, hears, and sends as dead letters.

use serde_json::{Map, Value, json};

use super::channels::{Channel, Channels};
use super::describe;
use super::keys::Keys;
use super::messages::Messages;
use crate::dispatch::BESIDE_DEAD_LETTERS;
use crate::topology::{GroupName, HandlerDeclaration, Hears, Topology, group};

pub(super) fn to_json(topology: &Topology, channels: &Channels<'_>, messages: &Messages) -> Value {
    let mut operations = Operations::default();
    for (nth, message) in messages.iter() {
        let targets = message.targets.iter();
        for channel in targets.filter_map(|topic| channels.of_topic(topic)) {
            let operation = send(topology, messages, nth, channel);
            operations.add(["send", &message.key, &channel.key], operation);
        }
    }
    for &handler in &topology.handlers {
        let sources = handler.sources.iter();
        for channel in sources.filter_map(|source| channels.of_topic(&source.topic)) {
            let operation = receive(topology, handler, channel, messages);
            operations.add(["receive", handler.name, &channel.key], operation);
        }
        let letters = handler.dead_letters.as_ref();
        if let Some(channel) = letters.and_then(|target| channels.of_topic(&target.topic)) {
            let operation = bury(handler, channel, messages);
            operations.add(["dead-letters", handler.name, &channel.key], operation);
        }
    }
    operations.all.into()
}

#[derive(Default)]
struct Operations {
    all: Map<String, Value>,
    keys: Keys,
}

impl Operations {
    fn add(&mut self, parts: [&str; 3], operation: Map<String, Value>) {
        self.all.insert(self.keys.give(&parts), operation.into());
    }
}

fn operation(action: &str, title: &str, channel: &Channel<'_>) -> Map<String, Value> {
    Map::from_iter([
        ("action".to_owned(), json!(action)),
        ("title".to_owned(), json!(title)),
        ("channel".to_owned(), channel.reference()),
    ])
}

/// Says which messages of the channel it is about; where it says nothing, it is about all.
fn refer(
    operation: &mut Map<String, Value>,
    channel: &Channel<'_>,
    messages: impl Iterator<Item = usize>,
) {
    if let Some(messages) = channel.messages(messages) {
        operation.insert("messages".to_owned(), messages);
    }
}

fn send(
    topology: &Topology,
    messages: &Messages,
    nth: usize,
    channel: &Channel<'_>,
) -> Map<String, Value> {
    let event = messages.get(nth).event;
    let mut operation = operation("send", event.name, channel);
    refer(&mut operation, channel, std::iter::once(nth));
    let mut said = vec![event.documentation];
    // Who hears an event has to declare it, too.
    let is_heard = topology.handlers.iter().any(|handler| {
        let mut sources = handler.sources.iter();
        sources.any(|source| source.topic.is(&channel.topic))
            && messages.heard(handler.hears).any(|heard| heard == nth)
    });
    if is_heard {
        said.push(
            "The service hears it here itself: whether it sends it, too, its code does not say.",
        );
        operation.insert("x-fanfare-perhaps".to_owned(), json!(true));
    }
    describe(&mut operation, &paragraphs(said));
    operation
}

fn paragraphs(mut said: Vec<&str>) -> String {
    said.retain(|text| !text.is_empty());
    said.join("\n\n")
}

fn receive(
    topology: &Topology,
    handler: &HandlerDeclaration,
    channel: &Channel<'_>,
    messages: &Messages,
) -> Map<String, Value> {
    let mut operation = operation("receive", handler.name, channel);
    refer(&mut operation, channel, messages.heard(handler.hears));
    let mut said = vec![handler.documentation];
    if handler.hears == Hears::Everything {
        said.push("It takes every message, and not only those that are listed here.");
    }
    describe(&mut operation, &paragraphs(said));
    match group(&topology.service, handler) {
        GroupName::Shared(name) => {
            if channel.protocol().bindings() == Some("kafka") {
                operation.insert("bindings".to_owned(), consumer_group(&name));
            }
            operation.insert("x-fanfare-group".to_owned(), json!(name));
        }
        GroupName::EachInstance => {
            operation.insert("x-fanfare-each-instance".to_owned(), json!(true));
        }
    }
    operation
}

fn consumer_group(name: &str) -> Value {
    json!({"kafka": {
        "groupId": {"type": "string", "const": name},
        "bindingVersion": "0.5.0",
    }})
}

fn bury(
    handler: &HandlerDeclaration,
    channel: &Channel<'_>,
    messages: &Messages,
) -> Map<String, Value> {
    let title = format!("dead letters of {}", handler.name);
    let mut operation = operation("send", &title, channel);
    refer(&mut operation, channel, messages.heard(handler.hears));
    let headers = BESIDE_DEAD_LETTERS.map(|name| format!("`{}`", channel.protocol().header(name)));
    describe(
        &mut operation,
        &format!(
            "What `{}` could not handle, as it came; beside it stand {}.",
            handler.name,
            headers.join(", ")
        ),
    );
    operation
}
