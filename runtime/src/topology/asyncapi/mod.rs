//! The topology as an `AsyncAPI` document.

mod channels;
mod headers;
mod keys;
mod messages;
mod operations;
mod protocol;
mod schemas;
mod servers;

use serde_json::{Map, Value, json};

use self::channels::Channels;
use self::messages::Messages;
use self::servers::Servers;
use super::Topology;

/// The version of the specification.
const ASYNCAPI: &str = "3.0.0";

impl Topology {
    /// What the service sends and receives, as a document of `AsyncAPI` 3.0.0. `version` is the
    /// service's, which the code does not say.
    ///
    /// - A **server** is a streamer that is mentioned. Where it listens says the configuration, so
    ///   that its host is a variable.
    /// - A **channel** is a topic of it. Events of this service alone have none, and are left out.
    /// - A **message** is an event in one version, as one protocol carries it: its headers are those
    ///   of the protocol's `CloudEvents` binding, and its payload's schema, in the draft 7 of JSON
    ///   Schema that `AsyncAPI` is made of, stands below `components/schemas`. The names there begin
    ///   with the event's, so that types of one name, in whatever modules, are kept apart, and what
    ///   changes in one event changes nothing of another.
    /// - An **operation** is an event's way to a topic, a handler's ear on one, or its dead letters'
    ///   way to the topic that it names. A handler's group stands there as `x-fanfare-group` (and on
    ///   Kafka as its binding has it), and where every instance gets every event,
    ///   `x-fanfare-each-instance`.
    ///
    /// Who publishes an event, the code does not say. What is declared with a topic counts as sent there,
    /// also where it comes from a crate that several services share. An event that a handler of this
    /// service hears on the same topic may be declared for the handler alone: its way there has
    /// `x-fanfare-perhaps`, and its description says so.
    ///
    /// Doc comments are the descriptions; examples are those of the type's
    /// `#[schemars(example = ...)]`. Everything is sorted, and names no places in the code, so that
    /// two versions can be compared line by line.
    ///
    /// ```standalone_crate
    /// # use fanfare::prelude::*;
    /// # #[derive(Streamers)]
    /// # pub struct Streamers { pub main: Memory }
    /// #[event(stream_to = streamer!("main", "posts"))]
    /// pub struct PostCreated {
    ///     pub title: String,
    /// }
    ///
    /// # fn main() {
    /// let document = App::new("blog").topology().asyncapi("1.4.0");
    /// assert_eq!(document["channels"]["main.posts"]["address"], "posts");
    /// # }
    /// ```
    pub fn asyncapi(&self, version: &str) -> Value {
        let servers = Servers::of(self);
        let messages = Messages::of(self);
        let channels = Channels::of(self, &servers, &messages);
        let mut document = json!({
            "asyncapi": ASYNCAPI,
            "info": {
                "title": self.service,
                "version": version,
                "description": format!("What `{}` sends and receives, as its code declares it.", self.service),
            },
            "defaultContentType": "application/json",
            "servers": servers.to_json(),
            "channels": channels.to_json(),
            "operations": operations::to_json(self, &channels, &messages),
            "components": channels.components(&messages),
        });
        // Its objects are in the order in which they were made where another crate asks serde_json
        // for that.
        document.sort_all_objects();
        document
    }
}

/// A reference within the document. Keys have nothing in them that would have to be escaped.
fn reference(place: &[&str]) -> Value {
    json!({"$ref": format!("#/{}", place.join("/"))})
}

/// Where there is documentation, it is the description.
fn describe(object: &mut Map<String, Value>, documentation: &str) {
    if !documentation.is_empty() {
        object.insert("description".to_owned(), documentation.into());
    }
}
