//! The streamers that are connected: those that the code mentions.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::health::StreamerHealth;
use super::needs;
use super::set::ConfiguredSet;
#[cfg(feature = "testing")]
use super::stand_in::StandIn;
use crate::error::{Error, Result};
use crate::event::TopicName;
#[cfg(feature = "cli")]
use crate::streamer::Leftover;
use crate::streamer::{BoxFuture, ErasedStreamer, Needs, PublishAny, Source};
use crate::topology::Topology;

/// What a declaration makes of a streamer, if it is of the declared type.
type Open<T> = fn(Arc<dyn Any + Send + Sync>) -> Option<T>;

/// The streamers that the code mentions.
pub(super) struct Connections(Vec<Connected>);

struct Connected {
    set: &'static str,
    name: &'static str,
    streamer: Arc<dyn ErasedStreamer>,
    /// From then on it is to be closed.
    open: AtomicBool,
}

impl Connections {
    /// Those of the given ones that the code mentions, not connected yet.
    pub(super) fn of(sets: Vec<ConfiguredSet>, topology: &Topology) -> Self {
        let given = sets.into_iter().flat_map(|set| {
            let connections = set.connections.into_iter();
            connections.map(move |connection| Connected {
                set: set.set,
                name: connection.name,
                streamer: connection.streamer,
                open: AtomicBool::new(false),
            })
        });
        Connections(given.filter(|given| given.is_mentioned(topology)).collect())
    }

    /// Connects all at once, and has them prepare what the code needs of them.
    pub(super) async fn open(&self, topology: &Topology, has_store: bool) -> Result<()> {
        self.connect().await?;
        let mut needs = Vec::new();
        for connected in &self.0 {
            needs.push(self.needs(connected, topology, has_store)?);
        }
        let mut preparing: Vec<BoxFuture<'_, _>> = Vec::new();
        for (connected, needs) in self.0.iter().zip(&needs) {
            preparing.push(Box::pin(connected.prepare(needs)));
        }
        all_well(preparing).await
    }

    /// Connects all at once, and prepares nothing.
    pub(super) async fn connect(&self) -> Result<()> {
        let mut connecting: Vec<BoxFuture<'_, _>> = Vec::new();
        for connected in &self.0 {
            connecting.push(Box::pin(connected.connect()));
        }
        all_well(connecting).await
    }

    fn needs(&self, of: &Connected, topology: &Topology, has_store: bool) -> Result<Needs> {
        needs::of(topology, self, has_store, (of.set, of.name))
    }

    /// Whether each of them is connected, and if not, why.
    pub(super) fn health(&self) -> Vec<StreamerHealth> {
        let health = |of: &Connected| StreamerHealth {
            streamer: of.name,
            problem: of.streamer.health().err(),
        };
        self.0.iter().map(health).collect()
    }

    /// What the brokers keep for handlers that are gone, each with its streamer, as far as those
    /// that are connected say it.
    #[cfg(feature = "cli")]
    pub(super) async fn leftovers(&self, topology: &Topology, has_store: bool) -> Found {
        let mut found = Found::default();
        for connected in self.0.iter().filter(|connected| connected.is_open()) {
            match self.left_at(connected, topology, has_store).await {
                Ok(left) => found.left.extend(left),
                Err(error) => found.problems.push(error.to_string()),
            }
        }
        found.left.sort();
        found
    }

    #[cfg(feature = "cli")]
    async fn left_at(
        &self,
        connected: &Connected,
        topology: &Topology,
        has_store: bool,
    ) -> Result<impl Iterator<Item = LeftAt>> {
        let &Connected { set, name, .. } = connected;
        let needs = self.needs(connected, topology, has_store)?;
        let found = connected.streamer.leftovers(&needs).await;
        let found = found.map_err(|error| Error::msg(format!("the streamer `{name}`: {error}")))?;
        Ok(found.into_iter().map(move |leftover| LeftAt {
            streamer: name,
            set,
            leftover,
        }))
    }

    /// Removes one of them.
    #[cfg(feature = "cli")]
    pub(super) async fn remove(&self, left: &LeftAt) -> Result<()> {
        let LeftAt {
            streamer,
            set,
            leftover,
        } = left;
        let is_it = |known: &&Connected| (known.name, known.set) == (*streamer, *set);
        for connected in self.0.iter().filter(is_it) {
            let removed = connected.streamer.remove(leftover).await;
            removed.map_err(|error| {
                Error::msg(format!(
                    "the streamer `{streamer}` keeps {leftover}: {error}"
                ))
            })?;
        }
        Ok(())
    }

    /// Closes what was connected by a start that came to nothing.
    pub(super) async fn abandon(&self) {
        for problem in self.close(super::CLOSING).await {
            tracing::warn!("after an incomplete start, {problem}");
        }
    }

    /// Closes all that are connected at once, within `limit`, and says what went wrong.
    pub(super) async fn close(&self, limit: Duration) -> Vec<String> {
        let open = self.0.iter().filter(|connected| connected.is_open());
        let closing = open.map(async |connected| {
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

    /// What publishes to a topic: `open` is of a [`Target`](crate::topology::Target), or a
    /// [`Listening`](crate::topology::Listening)'s for its dead letters.
    pub(super) fn publisher(
        &self,
        topic: &TopicName,
        open: Open<Arc<dyn PublishAny>>,
    ) -> Result<Arc<dyn PublishAny>> {
        #[cfg(feature = "testing")]
        if let Some(stand_in) = StandIn::of(self.streamer(topic)?) {
            return Ok(stand_in.publisher());
        }
        self.opened(topic, open)
    }

    /// What delivers from a topic: `open` is of a [`Listening`](crate::topology::Listening).
    pub(super) fn source(&self, topic: &TopicName, open: Open<Source>) -> Result<Source> {
        #[cfg(feature = "testing")]
        if let Some(stand_in) = StandIn::of(self.streamer(topic)?) {
            return Ok(stand_in.source());
        }
        self.opened(topic, open)
    }

    fn opened<T>(&self, topic: &TopicName, open: Open<T>) -> Result<T> {
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

    fn streamer(&self, topic: &TopicName) -> Result<&Arc<dyn ErasedStreamer>> {
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

/// All that was left behind, as far as it is known, and why no more is.
#[cfg(feature = "cli")]
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) left: Vec<LeftAt>,
    pub(crate) problems: Vec<String>,
}

/// What was left behind, and at which streamer.
#[cfg(feature = "cli")]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LeftAt {
    pub(crate) streamer: &'static str,
    /// Two sets may have a streamer of one name.
    pub(crate) set: &'static str,
    pub(crate) leftover: Leftover,
}

/// Waits for all of them, and says what went wrong.
async fn all_well(doing: Vec<BoxFuture<'_, Option<String>>>) -> Result<()> {
    let failed: Vec<_> = join_all(doing).await.into_iter().flatten().collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Error::msg(failed.join("; ")))
}

impl Connected {
    async fn prepare(&self, needs: &Needs) -> Option<String> {
        let error = self.streamer.prepare(needs).await.err()?;
        Some(format!(
            "the streamer `{}` is not ready for this service: {error}",
            self.name
        ))
    }

    /// Says what went wrong, if anything did.
    async fn connect(&self) -> Option<String> {
        match self.streamer.connect().await {
            Ok(()) => {
                self.open.store(true, Ordering::Relaxed);
                None
            }
            Err(error) => Some(format!(
                "the streamer `{}` does not connect: {error}",
                self.name
            )),
        }
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    fn is_mentioned(&self, topology: &Topology) -> bool {
        let mut streamers = topology.streamers.iter();
        streamers
            .any(|known| (known.set, known.name) == (self.set, self.name) && known.is_mentioned())
    }
}
