//! Where each event goes, resolved once at the start.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::slice;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arcstr::ArcStr;
use tokio::task::coop::consume_budget;

use super::{OwnEvents, TargetError};
use crate::event::{Event, Message, TopicName, word};
use crate::streamer::{Inlet, Outgoing, PublishAny, StreamError};

/// How long a publish waits for a handler of this process that has no room.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where each event goes: by its type to indices.
#[derive(Default)]
pub(crate) struct Routes {
    by_event: BTreeMap<TypeId, usize>,
    all: Vec<Route>,
    targets: Vec<Target>,
}

/// Where one event goes, and what its envelopes have in common.
pub(crate) struct Route {
    pub(super) index: usize,
    pub(super) event: &'static str,
    pub(super) kind: ArcStr,
    schema: OnceLock<ArcStr>,
    pub(super) targets: Vec<usize>,
    /// Whether handlers of this service hear it from the log.
    is_logged: bool,
}

impl Route {
    /// Whether somebody hears the event.
    pub(super) fn leads_somewhere(&self) -> bool {
        self.is_logged || !self.targets.is_empty()
    }

    /// The `dataschema` of the event, written out once.
    pub(super) fn schema<E: Event>(&self) -> ArcStr {
        self.schema.get_or_init(|| word(E::SCHEMA)).clone()
    }
}

/// An open end that messages go into.
pub(crate) enum Target {
    /// A topic.
    Topic {
        name: TopicName,
        streamer: Arc<dyn PublishAny>,
    },
    /// A handler of this process that hears the service's own events.
    Local {
        handler: &'static str,
        inlet: Arc<Inlet>,
        own: Arc<OwnEvents>,
    },
}

impl Routes {
    /// Adds a target, and gives its index.
    pub(crate) fn target(&mut self, target: Target) -> usize {
        self.targets.push(target);
        self.targets.len() - 1
    }

    /// Says where events of a type go.
    pub(crate) fn route(
        &mut self,
        type_id: TypeId,
        event: &'static str,
        targets: Vec<usize>,
        is_logged: bool,
    ) {
        let index = self.all.len();
        self.by_event.insert(type_id, index);
        self.all.push(Route {
            index,
            event,
            kind: word(event),
            schema: OnceLock::new(),
            targets,
            is_logged,
        });
    }

    pub(super) fn of(&self, type_id: TypeId) -> Option<&Route> {
        self.all.get(*self.by_event.get(&type_id)?)
    }

    pub(super) fn all(&self) -> &[Route] {
        &self.all
    }

    pub(super) fn targets(&self) -> &[Target] {
        &self.targets
    }
}

impl Target {
    pub(super) async fn send(&self, message: Message) -> Result<(), TargetError> {
        let sent = match self {
            Target::Topic { name, streamer } => {
                // A publisher that never waits lets the handlers run all the same.
                consume_budget().await;
                let mut outgoing = Outgoing::new(message);
                if !streamer.publish_at_once(name.topic, &mut outgoing) {
                    let batch = slice::from_mut(&mut outgoing);
                    streamer.publish(name.topic, batch).await;
                }
                result(name, outgoing)
            }
            Target::Local { inlet, own, .. } => {
                let on_its_way = own.add();
                let pushed = inlet.push(vec![message], PATIENCE).await;
                pushed.map(|_| on_its_way.has_arrived())
            }
        };
        sent.map_err(|error| self.failed(error))
    }

    /// Sends a batch, and says of each message in it what became of it.
    pub(super) async fn send_all(&self, messages: Vec<Message>) -> Vec<Result<(), TargetError>> {
        match self {
            Target::Topic { name, streamer } => {
                let mut batch: Vec<_> = messages.into_iter().map(Outgoing::new).collect();
                streamer.publish(name.topic, &mut batch).await;
                let results = batch.into_iter().map(|outgoing| result(name, outgoing));
                results
                    .map(|result| result.map_err(|error| self.failed(error)))
                    .collect()
            }
            // Each by itself: a handler that has room for some of them gets these.
            Target::Local { .. } => {
                let mut results = Vec::with_capacity(messages.len());
                for message in messages {
                    results.push(self.send(message).await);
                }
                results
            }
        }
    }

    fn failed(&self, error: StreamError) -> TargetError {
        let target = match self {
            Target::Topic { name, .. } => name.to_string(),
            Target::Local { handler, .. } => format!("the handler `{handler}` of this service"),
        };
        TargetError { target, error }
    }
}

/// What became of an event on its way to a topic. That nobody hears it is fine.
fn result(topic: &TopicName, outgoing: Outgoing) -> Result<(), StreamError> {
    if outgoing.is_unheard() {
        tracing::debug!(%topic, "nobody hears the event");
    }
    outgoing.into_result()
}
