//! What is opened from what is declared: subscriptions, routes, the readers of the log.

use std::collections::BTreeSet;
use std::iter;
use std::sync::Arc;

use arcstr::ArcStr;
use tokio_util::task::AbortOnDropHandle;

use super::connections::Connections;
use super::forms::Forms;
use super::ingester::Ingested;
use super::running::Reading;
use crate::dispatch::{DeadLetters, Hears, Subscription};
use crate::error::{Error, Result};
use crate::event::TopicName;
use crate::publisher::{self, Log, OwnEvents, Routes};
use crate::store::{Feed, Relay, Start, Which};
use crate::streamer::{
    BoxFuture, Deliveries, Inlet, PublishAny, SourceKind, SubscribeAny, SubscriptionRequest,
};
use crate::topology::{EventDeclaration, Target, Topology};

/// What is opened, from what is declared.
pub(super) struct Wiring<'a> {
    log: Option<Log>,
    /// What reads the log, once the app runs.
    readers: Vec<BoxFuture<'static, ()>>,
    reading: Reading,
    topology: &'a Topology,
    connections: &'a Connections,
    forms: &'a Forms,
    /// The inlets of the handlers that hear the service's own events.
    local: Vec<(Hears, &'static str, Arc<Inlet>)>,
    own: Arc<OwnEvents>,
    /// The inlets of the topics that others push at.
    ingested: Vec<Ingested>,
}

pub(super) struct Wired {
    pub(super) log: Option<Log>,
    pub(super) readers: Vec<AbortOnDropHandle<()>>,
    pub(super) routes: Routes,
    pub(super) ears: Vec<Ear>,
    pub(super) own: Arc<OwnEvents>,
    pub(super) ingested: Vec<Ingested>,
}

/// A subscription that stands, and is not listened to yet.
pub(super) struct Ear {
    pub(super) subscription: Subscription,
    pub(super) dead_letters: DeadLetters,
    pub(super) deliveries: Deliveries,
}

impl<'a> Wiring<'a> {
    pub(super) fn new(
        topology: &'a Topology,
        connections: &'a Connections,
        forms: &'a Forms,
        log: Option<Log>,
        reading: Reading,
    ) -> Self {
        Wiring {
            log,
            readers: Vec::new(),
            reading,
            topology,
            connections,
            forms,
            local: Vec::new(),
            own: Arc::default(),
            ingested: Vec::new(),
        }
    }

    /// Subscribes everything, and begins to read the log.
    pub(super) async fn wire(mut self) -> Result<Wired> {
        let mut ears = Vec::new();
        for subscription in &self.topology.subscriptions {
            ears.push(Ear {
                dead_letters: self.dead_letters(subscription)?,
                deliveries: self.subscribe(subscription).await?,
                subscription: subscription.clone(),
            });
        }
        self.relays().await?;
        self.wired(ears)
    }

    /// Subscribes nothing, and reads nothing: what is published goes to the log, if there is one.
    #[cfg(feature = "cli")]
    pub(super) fn wire_nothing(self) -> Result<Wired> {
        self.wired(Vec::new())
    }

    fn wired(self, ears: Vec<Ear>) -> Result<Wired> {
        let routes = self.routes()?;
        let readers = self.readers.into_iter();
        Ok(Wired {
            readers: readers
                .map(|reader| AbortOnDropHandle::new(tokio::spawn(reader)))
                .collect(),
            log: self.log,
            routes,
            ears,
            own: self.own,
            ingested: self.ingested,
        })
    }

    async fn subscribe(&mut self, subscription: &Subscription) -> Result<Deliveries> {
        let Some(topic) = subscription.topic else {
            return match self.log.clone() {
                Some(log) => self.logged(&log, subscription).await,
                None => Ok(self.own_events(subscription)),
            };
        };
        let listening = self.topology.listening(subscription.handler, &topic);
        // A subscription is made from a source, so there is one.
        let listening = listening.ok_or_else(|| Error::msg(format!("`{topic}` has no source")))?;
        match self.connections.source(&topic, listening.open)?.0 {
            SourceKind::Subscribe(streamer) => subscribe(&*streamer, subscription, &topic).await,
            SourceKind::Ingest(streamer) => {
                let known = self
                    .ingested
                    .iter()
                    .position(|ingested| ingested.topic == topic);
                let at = known.unwrap_or_else(|| {
                    self.ingested.push(Ingested::new(topic, streamer));
                    self.ingested.len() - 1
                });
                Ok(self.ingested[at].inlet.open(subscription.policy.in_flight))
            }
        }
    }

    /// The service's own events from the log.
    async fn logged(&mut self, log: &Log, subscription: &Subscription) -> Result<Deliveries> {
        let cursor = self.topology.full_name(subscription.handler);
        let start = subscription.start;
        // From here on it misses nothing, also before it is read.
        log.store.cursor(&cursor, start).await?;
        let of = match subscription.hears {
            Hears::Event {
                name, former_names, ..
            } => Which::Named(names(name, former_names).map(str::to_owned).collect()),
            Hears::Everything => Which::All,
        };
        let (feed, deliveries) = Feed::new(
            Arc::clone(&log.store),
            (cursor, start),
            of,
            subscription.policy.in_flight,
            (log.wake.clone(), self.reading.feeding.clone()),
        );
        self.readers.push(Box::pin(feed.run()));
        Ok(deliveries)
    }

    /// From the log to each topic that events go to.
    async fn relays(&mut self) -> Result<()> {
        let Some(log) = self.log.clone() else {
            return Ok(());
        };
        let mut relays: Vec<Relay> = Vec::new();
        for event in &self.topology.events {
            for target in event.targets {
                let name = self.topology.log_name(&target.topic);
                let events = streamed_names(self.topology, event);
                for event in &events {
                    let cursor = Relay::cursor(&name, event);
                    log.store.cursor(&cursor, Start::Now).await?;
                }
                let mut known = relays.iter_mut();
                if let Some(known) = known.find(|known| known.topic.is(&target.topic)) {
                    known.events.extend(events);
                    continue;
                }
                relays.push(Relay {
                    store: Arc::clone(&log.store),
                    name,
                    topic: target.topic,
                    streamer: self.streamed(target)?,
                    events: events.into_iter().collect(),
                    wake: log.wake.clone(),
                    stop: self.reading.streaming.clone(),
                });
            }
        }
        report_strangers(&log, self.topology).await?;
        let relays = relays.into_iter().map(|relay| Box::pin(relay.run()) as _);
        self.readers.extend(relays);
        let watch = log.wake.watch(log.store, self.reading.streaming.clone());
        self.readers.push(Box::pin(watch));
        Ok(())
    }

    /// A door of its own for each handler: a slow one holds no other back.
    fn own_events(&mut self, subscription: &Subscription) -> Deliveries {
        let handler = subscription.handler;
        let inlet = Arc::new(Inlet::new(ArcStr::from(handler)));
        let deliveries = inlet.open(subscription.policy.in_flight);
        self.local.push((subscription.hears, handler, inlet));
        deliveries
    }

    fn dead_letters(&self, subscription: &Subscription) -> Result<DeadLetters> {
        if let Some(topic) = subscription.dead_letters {
            let target = self.topology.dead_letters(&topic);
            let target = target.ok_or_else(|| Error::msg(format!("`{topic}` is no target")))?;
            return Ok(DeadLetters::Topic {
                streamer: self.connections.publisher(&topic, target.open)?,
                topic: topic.topic.to_owned(),
                name: topic.to_string(),
            });
        }
        if let Some(log) = &self.log {
            return Ok(DeadLetters::Store {
                store: Arc::clone(&log.store),
                handler: self.topology.full_name(subscription.handler),
            });
        }
        let source = subscription
            .topic
            .and_then(|topic| self.topology.listening(subscription.handler, &topic));
        let Some(source) = source else {
            return Ok(DeadLetters::Log);
        };
        let topic = self.connections.dead_letter_topic(&source.topic)?;
        Ok(DeadLetters::Topic {
            streamer: self
                .connections
                .publisher(&source.topic, source.dead_letters)?,
            name: format!("{}/{topic}", source.topic.streamer),
            topic,
        })
    }

    /// Where events go, in the codec that they go there.
    fn streamed(&self, target: &Target) -> Result<Arc<dyn PublishAny>> {
        let streamer = self.connections.publisher(&target.topic, target.open)?;
        Ok(self.forms.around(&target.topic, streamer))
    }

    fn routes(&self) -> Result<Routes> {
        let mut routes = Routes::default();
        let local: Vec<_> = self
            .local
            .iter()
            .map(|(hears, handler, inlet)| {
                let (inlet, own) = (Arc::clone(inlet), Arc::clone(&self.own));
                (
                    *hears,
                    routes.target(publisher::Target::Local {
                        handler,
                        inlet,
                        own,
                    }),
                )
            })
            .collect();
        let mut opened: Vec<(TopicName, usize)> = Vec::new();
        for event in &self.topology.events {
            let mut targets = Vec::new();
            for target in event.targets {
                let known = opened.iter().find(|(topic, _)| *topic == target.topic);
                let at = match known {
                    Some((_, at)) => *at,
                    None => {
                        let at = routes.target(publisher::Target::Topic {
                            name: target.topic,
                            streamer: self.streamed(target)?,
                        });
                        opened.push((target.topic, at));
                        at
                    }
                };
                targets.push(at);
            }
            let hearing = local.iter().filter(|(hears, _)| hears.hears(event.name));
            targets.extend(hearing.map(|(_, at)| *at));
            let mut own = self.topology.subscriptions.iter();
            let is_logged = self.log.is_some()
                && own.any(|other| other.topic.is_none() && other.hears.hears(event.name));
            routes.route((event.type_id)(), event.name, targets, is_logged);
        }
        Ok(routes)
    }
}

/// The cursors that a program works with, if its app has a store.
pub(crate) fn cursors(topology: &Topology) -> BTreeSet<String> {
    let own = topology.subscriptions.iter();
    let own = own.filter(|known| known.topic.is_none());
    let relays = topology.events.iter().flat_map(|event| {
        event.targets.iter().flat_map(|target| {
            let topic = topology.log_name(&target.topic);
            let names = streamed_names(topology, event).into_iter();
            names.map(move |name| Relay::cursor(&topic, name))
        })
    });
    own.map(|known| topology.full_name(known.handler))
        .chain(relays)
        .collect()
}

/// Says which of the service's cursors this program does not move: one that was renamed has left
/// its events there.
async fn report_strangers(log: &Log, topology: &Topology) -> Result<()> {
    let (cursors, end) = (log.store.cursors().await?, log.store.end().await?);
    let known = self::cursors(topology);
    let service = &topology.service;
    for (cursor, at) in cursors {
        let rest = cursor.strip_prefix(service.as_str());
        let is_ours = rest.is_some_and(|rest| rest.starts_with(['.', ':']));
        if is_ours && at < end && !known.contains(&cursor) {
            tracing::warn!(
                cursor,
                behind = end - at,
                "the store has a cursor of a handler, or of an event on its way to a topic, that this program does not know: if it was renamed, what is behind the cursor waits for the old name; if it is gone, forget the cursor, which keeps events from being pruned"
            );
        }
    }
    Ok(())
}

/// Under what names an event is stored that goes to its topics: also by those that it had before, but
/// for one whose own type says where it goes.
pub(super) fn streamed_names(topology: &Topology, event: &EventDeclaration) -> Vec<&'static str> {
    let has_topics = |name: &str| {
        let mut events = topology.events.iter();
        events.any(|other| other.name == name && !other.targets.is_empty())
    };
    let former = event.former_names.iter().copied();
    let former = former.filter(|name| !has_topics(name));
    iter::once(event.name).chain(former).collect()
}

/// Under what an event is in the store.
fn names(
    name: &'static str,
    former: &'static [&'static str],
) -> impl Iterator<Item = &'static str> {
    iter::once(name).chain(former.iter().copied())
}

async fn subscribe(
    streamer: &dyn SubscribeAny,
    subscription: &Subscription,
    topic: &TopicName,
) -> Result<Deliveries> {
    let request = SubscriptionRequest {
        topic: topic.topic.to_owned(),
        group: subscription.group.to_group(),
        max_in_flight: subscription.policy.in_flight,
    };
    streamer.subscribe(request).await.map_err(|error| {
        Error::msg(format!(
            "the handler `{}` could not be subscribed to `{topic}`: {error}",
            subscription.handler
        ))
    })
}
