//! Headers: the attributes of `CloudEvents`, as each protocol names them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::protocol::Protocol;
use super::reference;
use crate::event::cloudevents::extension::{
    CAUSATION_ID, CORRELATION_ID, EXPIRY_TIME, TRACEPARENT,
};
use crate::topology::EventDeclaration;

/// What a `dataschema` has escaped of an event's name.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The attributes that every event has.
const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];

/// What the headers of all events of a protocol are called among the components.
pub(super) fn key(protocol: &Protocol) -> String {
    match protocol.bindings() {
        Some(name) => format!("cloudevents.{name}"),
        None => "cloudevents".to_owned(),
    }
}

/// The headers of all events of a protocol.
pub(super) fn common(protocol: &Protocol) -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    let formatted = |format: &str, description: &str| json!({"type": "string", "format": format, "description": description});
    let attributes = [
        ("specversion", json!({"type": "string", "const": "1.0"})),
        ("id", text("Unique among the events of its source.")),
        (
            "source",
            formatted("uri-reference", "The service that announced it."),
        ),
        ("type", text("The event's name.")),
        ("time", formatted("date-time", "When it was announced.")),
        ("datacontenttype", text("The media type of the payload.")),
        (
            "dataschema",
            formatted("uri", "The event's name and version."),
        ),
        (
            "partitionkey",
            text("The key, by which events are in order."),
        ),
        (TRACEPARENT, text("The trace that it belongs to.")),
        (
            CORRELATION_ID,
            text("What belongs together across services."),
        ),
        (CAUSATION_ID, text("The id of the event that led to it.")),
        (
            EXPIRY_TIME,
            formatted("date-time", "When it loses its worth."),
        ),
    ];
    let description = match protocol.binding {
        Some(_) => "The attributes of CloudEvents 1.0, as headers in binary mode.",
        None => {
            "The attributes of CloudEvents 1.0, by their own names: how they are carried is the streamer's matter."
        }
    };
    let properties = attributes.map(|(name, schema)| (protocol.header(name), schema));
    json!({
        "type": "object",
        "description": description,
        "properties": Map::from_iter(properties),
        "required": REQUIRED.map(|name| protocol.header(name)),
    })
}

/// Where what belongs together is said.
pub(super) fn correlation(protocol: &Protocol) -> Value {
    json!({
        "description": "What belongs together across services.",
        "location": format!("$message.header#/{}", protocol.header(CORRELATION_ID)),
    })
}

/// The headers of one event.
pub(super) fn of(protocol: &Protocol, event: &EventDeclaration) -> Value {
    let name = utf8_percent_encode(event.name, ESCAPED);
    let schema = format!("urn:fanfare:event:{name}:{}", event.version);
    let mut properties = Map::from_iter([
        (protocol.header("type"), json!({"const": event.name})),
        (protocol.header("dataschema"), json!({"const": schema})),
    ]);
    if let Some(field) = event.key {
        properties.insert(protocol.header("partitionkey"), key_of(field));
    }
    json!({
        "type": "object",
        "allOf": [reference(&["components", "schemas", &key(protocol)])],
        "properties": properties,
    })
}

/// The key of events whose key is this field.
pub(super) fn key_of(field: &str) -> Value {
    json!({
        "type": "string",
        "description": format!("The field `{field}`, as text."),
    })
}
