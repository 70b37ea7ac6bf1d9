//! Servers: the streamers that are mentioned.

use serde_json::{Map, Value, json};

use super::describe;
use super::keys::Keys;
use super::protocol::Protocol;
use crate::event::TopicName;
use crate::topology::{StreamerUse, Topology};

pub(super) struct Server<'a> {
    pub(super) key: String,
    pub(super) protocol: Protocol,
    streamer: &'a StreamerUse,
}

pub(super) struct Servers<'a>(Vec<Server<'a>>);

impl<'a> Servers<'a> {
    pub(super) fn of(topology: &'a Topology) -> Self {
        let mut keys = Keys::default();
        let mentioned = topology.streamers.iter().filter(|it| it.is_mentioned());
        let server = |streamer: &'a StreamerUse| {
            let mut others = topology.streamers.iter();
            let has_twin = others.any(|it| it.name == streamer.name && it.set != streamer.set);
            let key = if has_twin {
                keys.give(&[streamer.name, streamer.set])
            } else {
                keys.give(&[streamer.name])
            };
            Server {
                key,
                protocol: Protocol::of(streamer.declaration.map(|it| it.kind)),
                streamer,
            }
        };
        Servers(mentioned.map(server).collect())
    }

    /// With the topics that are mentioned of each.
    pub(super) fn topics(&self) -> impl Iterator<Item = (&Server<'a>, TopicName)> {
        self.0.iter().flat_map(|server| {
            let StreamerUse { name, set, .. } = *server.streamer;
            let topics = server.streamer.topics.iter();
            topics.map(move |topic| {
                let topic = TopicName {
                    streamer: name,
                    topic,
                    set,
                };
                (server, topic)
            })
        })
    }

    pub(super) fn to_json(&self) -> Value {
        let entry = |server: &Server<'_>| (server.key.clone(), server.to_json());
        self.0.iter().map(entry).collect::<Map<_, _>>().into()
    }
}

impl Server<'_> {
    fn to_json(&self) -> Value {
        let mut server = Map::new();
        server.insert("host".to_owned(), json!("{host}"));
        server.insert(
            "variables".to_owned(),
            json!({"host": {"description": "What the service's configuration says."}}),
        );
        server.insert("protocol".to_owned(), json!(self.protocol.name));
        if let Some(version) = self.protocol.version {
            server.insert("protocolVersion".to_owned(), json!(version));
        }
        let documentation = self.streamer.declaration.map(|it| it.documentation);
        describe(&mut server, documentation.unwrap_or_default());
        server.into()
    }
}
