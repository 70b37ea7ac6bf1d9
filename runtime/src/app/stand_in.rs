//! Streamers in the place of others: what a test needs of an app.

use std::any::Any;
use std::sync::Arc;

use super::set::{ConfiguredSet, Connection};
use super::{App, Running};
use crate::dispatch::Observer;
use crate::streamer::{
    ErasedStreamer, Publish, PublishAny, Source, StreamError, Streamer, Subscribe,
};
use crate::topology::{StreamerUse, Topology};

/// A streamer in the place of one of any type.
pub(crate) struct StandIn {
    streamer: Arc<dyn ErasedStreamer>,
    publisher: Arc<dyn PublishAny>,
    source: Box<dyn Fn() -> Source + Send + Sync>,
    /// The one that it replaces, if the app was given one: asked for names, never connected.
    original: Option<Arc<dyn ErasedStreamer>>,
}

impl StandIn {
    pub(crate) fn new<S: Publish + Subscribe>(streamer: &Arc<S>) -> Self {
        let source = Arc::clone(streamer);
        StandIn {
            streamer: Arc::clone(streamer) as _,
            publisher: Arc::clone(streamer) as _,
            source: Box::new(move || Source::subscribe(Arc::clone(&source))),
            original: None,
        }
    }

    /// The stand-in that this is, if it is one.
    pub(super) fn of(streamer: &Arc<dyn ErasedStreamer>) -> Option<Arc<StandIn>> {
        let streamer: Arc<dyn Any + Send + Sync> = Arc::clone(streamer).into_any();
        streamer.downcast().ok()
    }

    pub(super) fn publisher(&self) -> Arc<dyn PublishAny> {
        Arc::clone(&self.publisher)
    }

    pub(super) fn source(&self) -> Source {
        (self.source)()
    }
}

impl Streamer for StandIn {
    async fn connect(&self) -> Result<(), StreamError> {
        self.streamer.connect().await
    }

    fn health(&self) -> Result<(), StreamError> {
        self.streamer.health()
    }

    async fn close(&self) -> Result<(), StreamError> {
        self.streamer.close().await
    }

    fn dead_letter_topic(&self, topic: &str) -> String {
        let asked = self.original.as_ref().unwrap_or(&self.streamer);
        asked.dead_letter_topic(topic)
    }
}

impl App {
    /// Puts a stand-in in the place of each streamer that the code mentions, whether the app was
    /// given it or not, and leaves the store out.
    pub(crate) fn with_stand_ins(
        mut self,
        topology: &Topology,
        mut stand_in: impl FnMut(&StreamerUse) -> StandIn,
    ) -> Self {
        self.store = None;
        #[cfg(feature = "avro")]
        {
            self.schema_registry = None;
        }
        self.has_stand_ins = true;
        let mentioned = topology.streamers.iter();
        for mentioned in mentioned.filter(|streamer| streamer.is_mentioned()) {
            let mut stand_in = stand_in(mentioned);
            let sets = self.sets.iter_mut().filter(|set| set.set == mentioned.set);
            let mut given = sets.flat_map(|set| &mut set.connections);
            if let Some(given) = given.find(|given| given.name == mentioned.name) {
                stand_in.original = Some(Arc::clone(&given.streamer));
                given.streamer = Arc::new(stand_in);
            } else {
                self.sets.push(ConfiguredSet {
                    set: mentioned.set,
                    connections: vec![Connection::new(mentioned.name, stand_in)],
                    location: self.location,
                });
            }
        }
        self
    }

    /// Tells the observer what the app does.
    pub(crate) fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }
}

impl Running {
    /// How many of the service's own events wait for a handler, or are in its hands.
    pub(crate) fn own_unsettled(&self) -> usize {
        self.desk.own().unsettled()
    }
}
