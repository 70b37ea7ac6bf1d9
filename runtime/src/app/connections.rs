//! The streamers that are connected: those that the code mentions.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::set::ConfiguredSet;
use crate::error::{Error, Result};
use crate::event::TopicName;
use crate::streamer::AnyStreamer;
use crate::topology::Topology;

/// The streamers that are connected.
pub(super) struct Connections(Vec<Connected>);

struct Connected {
    set: &'static str,
    name: &'static str,
    streamer: Arc<dyn AnyStreamer>,
}

impl Connections {
    /// Connects what the code mentions, all at once. If one fails, the others are closed.
    pub(super) async fn open(sets: Vec<ConfiguredSet>, topology: &Topology) -> Result<Self> {
        let given = sets.into_iter().flat_map(|set| {
            let connections = set.connections.into_iter();
            connections.map(move |connection| Connected {
                set: set.set,
                name: connection.name,
                streamer: connection.streamer,
            })
        });
        let mentioned: Vec<_> = given.filter(|given| given.is_mentioned(topology)).collect();
        let connecting = mentioned.iter().map(|given| given.streamer.connect());
        let outcomes = join_all(connecting).await;
        let (mut connected, mut failed) = (Vec::new(), Vec::new());
        for (given, outcome) in mentioned.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => connected.push(given),
                Err(error) => {
                    failed.push(format!(
                        "the streamer `{}` does not connect: {error}",
                        given.name
                    ));
                }
            }
        }
        let connections = Connections(connected);
        if failed.is_empty() {
            return Ok(connections);
        }
        connections.abandon().await;
        Err(Error::msg(failed.join("; ")))
    }

    /// Closes after a start that failed; that is what its error is about.
    pub(super) async fn abandon(&self) {
        for problem in self.close(super::CLOSING).await {
            tracing::warn!("after a failed start, {problem}");
        }
    }

    /// Closes all at once, within `limit`, and says what went wrong.
    pub(super) async fn close(&self, limit: Duration) -> Vec<String> {
        let closing = self.0.iter().map(async |connected| {
            let name = connected.name;
            match timeout(limit, connected.streamer.close()).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => {
                    Some(format!("the streamer `{name}` did not close well: {error}"))
                }
                Err(_) => Some(format!(
                    "the streamer `{name}` did not close within {limit:?}"
                )),
            }
        });
        join_all(closing).await.into_iter().flatten().collect()
    }

    /// What `open` (of a [`Target`](crate::topology::Target) or a
    /// [`Listening`](crate::topology::Listening)) makes of the streamer of a topic.
    pub(super) fn opened<T>(
        &self,
        topic: &TopicName,
        open: fn(Arc<dyn Any + Send + Sync>) -> Option<T>,
    ) -> Result<T> {
        let streamer = self.streamer(topic)?;
        open(Arc::clone(streamer).into_any()).ok_or_else(|| {
            Error::msg(format!(
                "the streamer `{}` of `{}` is configured with a connection of another type than the one that is declared",
                topic.streamer, topic.set
            ))
        })
    }

    /// The topic that takes the dead letters of another one.
    pub(super) fn dead_letter_topic(&self, topic: &TopicName) -> Result<String> {
        Ok(self.streamer(topic)?.dead_letter_topic(topic.topic))
    }

    fn streamer(&self, topic: &TopicName) -> Result<&Arc<dyn AnyStreamer>> {
        let mut connected = self.0.iter();
        let found = connected.find(|other| (other.set, other.name) == (topic.set, topic.streamer));
        // The check before the start finds this; it stays an error rather than a panic.
        let missing = || {
            Error::msg(format!(
                "the streamer `{}` is not connected",
                topic.streamer
            ))
        };
        found
            .map(|connected| &connected.streamer)
            .ok_or_else(missing)
    }
}

impl Connected {
    fn is_mentioned(&self, topology: &Topology) -> bool {
        let mut streamers = topology.streamers.iter();
        streamers
            .any(|known| (known.set, known.name) == (self.set, self.name) && known.is_mentioned())
    }
}
