//! What all workers of an app get.

use std::collections::HashMap;
use std::sync::Arc;

use arcstr::ArcStr;
use tokio_util::sync::CancellationToken;

use super::Layering;
use crate::dispatch::{
    Counters, DeadLetters, Inbox, Marks, Observer, States, Subscription, Supplies, Worker,
};
use crate::publisher::Desk;
#[cfg(feature = "avro")]
use crate::registry::Registry;
use crate::topology::Topology;

/// What all workers of an app get.
pub(super) struct Staff {
    states: Arc<States>,
    layers: Layering,
    observer: Option<Arc<dyn Observer>>,
    /// By handler, of those that deduplicate: its subscriptions share one.
    inboxes: HashMap<&'static str, Arc<Inbox>>,
    desk: Arc<Desk>,
    #[cfg(feature = "avro")]
    registry: Option<Arc<Registry>>,
}

impl Staff {
    pub(super) fn new(
        topology: &Topology,
        states: States,
        layers: Layering,
        observer: Option<Arc<dyn Observer>>,
        desk: Arc<Desk>,
        #[cfg(feature = "avro")] registry: Option<Arc<Registry>>,
    ) -> Self {
        let deduplicating = topology.subscriptions.iter();
        let deduplicating = deduplicating.filter(|subscription| subscription.policy.deduplicate);
        let inbox = |handler: &'static str| {
            let marks = Marks {
                store: desk.log().map(|log| Arc::clone(&log.store)),
                handler: ArcStr::from(topology.full_name(handler)),
            };
            (handler, Arc::new(Inbox::new(marks)))
        };
        let inboxes = deduplicating.map(|subscription| inbox(subscription.handler));
        Staff {
            inboxes: inboxes.collect(),
            states: Arc::new(states),
            layers,
            observer,
            desk,
            #[cfg(feature = "avro")]
            registry,
        }
    }

    #[cfg(feature = "avro")]
    pub(super) fn registry(&self) -> Option<&Registry> {
        self.registry.as_deref()
    }

    /// Who runs a subscription, until it is stopped.
    pub(super) fn worker(
        &self,
        subscription: &Subscription,
        dead_letters: DeadLetters,
        counters: &Arc<Counters>,
        (hurry, stop): (CancellationToken, CancellationToken),
    ) -> Worker {
        let inbox = self.inboxes.get(subscription.handler).map(Arc::clone);
        let supplies = Supplies {
            states: Arc::clone(&self.states),
            desk: Arc::clone(&self.desk),
            marks_as: inbox.as_ref().map(|inbox| inbox.handler()),
        };
        Worker {
            subscription: subscription.clone(),
            dead_letters,
            supplies: Arc::new(supplies),
            counters: Arc::clone(counters),
            service: (self.layers)(),
            inbox,
            observer: self.observer.clone(),
            #[cfg(feature = "avro")]
            registry: self.registry.clone(),
            hurry,
            stop,
        }
    }
}
