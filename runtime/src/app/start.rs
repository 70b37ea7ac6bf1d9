//! The start: check, connect, subscribe, go.

use std::collections::HashMap;
use std::sync::Arc;

use arcstr::ArcStr;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::connections::Connections;
use super::ingester::{Ingested, Ingester};
use super::running::{Running, Task};
use super::{App, Layering, faults};
use crate::dispatch::{
    Counters, DeadLetters, GroupName, Hears, Inbox, Marks, Observer, States, Subscription, Worker,
};
use crate::error::{Error, Result};
use crate::event::TopicName;
use crate::publisher::{Desk, Log, OwnEvents, Routes, Target};
use crate::store::{Feed, Relay, Start, Wake, Which};
use crate::streamer::{
    BoxFuture, Deliveries, Group, Inlet, SourceKind, SubscribeAny, SubscriptionRequest,
};
use crate::topology::{EventDeclaration, Topology};

/// Starts the app, unless it is stopped before: then there is nothing. What was opened by an
/// incomplete start is closed.
pub(super) async fn start_unless(
    stop: &CancellationToken,
    app: App,
    topology: Topology,
) -> Result<Option<Running>> {
    faults::check(&app, &topology)?;
    let connections = Connections::of(app.sets, &topology);
    let reading = CancellationToken::new();
    let opening = async {
        connections.open().await?;
        let wiring = Wiring {
            log: app.store.map(|store| Log {
                store,
                wake: Wake::default(),
            }),
            readers: Vec::new(),
            reading: reading.clone(),
            topology: &topology,
            connections: &connections,
            local: Vec::new(),
            own: Arc::default(),
            ingested: Vec::new(),
        };
        wiring.wire().await
    };
    let wired = match stop.run_until_cancelled(opening).await {
        Some(Ok(wired)) => wired,
        incomplete => {
            connections.abandon().await;
            return incomplete.transpose().map(|_| None);
        }
    };
    // All subscriptions stand before the first handler runs and can publish.
    let taking = CancellationToken::new();
    let mut running = Running {
        desk: Arc::new(Desk::new(
            &topology.service,
            wired.routes,
            wired.own,
            wired.log.clone(),
            app.observer.clone().map(|observer| observer as _),
        )),
        tasks: Vec::new(),
        ingester: Ingester::new(wired.ingested, taking.clone()),
        taking,
        own: CancellationToken::new(),
        store_type: app.store_type,
        readers: wired.readers,
        reading,
        shutdown_deadline: app.shutdown_deadline,
        connections,
        topology,
    };
    let mut staff = Staff {
        states: Arc::new(app.states),
        layers: app.layers,
        observer: app.observer,
        inboxes: HashMap::new(),
        service: running.topology.service.clone(),
        log: wired.log,
    };
    for ear in wired.ears {
        running.tasks.push(ear.listen(&running, &mut staff));
    }
    tracing::info!(
        service = running.topology.service,
        subscriptions = running.tasks.len(),
        "started"
    );
    Ok(Some(running))
}

/// What is opened, from what is declared.
struct Wiring<'a> {
    log: Option<Log>,
    /// What reads the log, once the app runs.
    readers: Vec<BoxFuture<'static, ()>>,
    /// Ends the reading.
    reading: CancellationToken,
    topology: &'a Topology,
    connections: &'a Connections,
    /// The inlets of the handlers that hear the service's own events.
    local: Vec<(Hears, &'static str, Arc<Inlet>)>,
    own: Arc<OwnEvents>,
    /// The inlets of the topics that others push at.
    ingested: Vec<Ingested>,
}

struct Wired {
    log: Option<Log>,
    readers: Vec<AbortOnDropHandle<()>>,
    routes: Routes,
    ears: Vec<Ear>,
    own: Arc<OwnEvents>,
    ingested: Vec<Ingested>,
}

/// A subscription that stands, and is not listened to yet.
struct Ear {
    subscription: Subscription,
    dead_letters: DeadLetters,
    deliveries: Deliveries,
}

impl Ear {
    fn listen(self, running: &Running, staff: &mut Staff) -> Task {
        let counters = Arc::new(Counters::default());
        let own = self.subscription.topic.is_none();
        let stop = if own { &running.own } else { &running.taking };
        let worker = Worker {
            subscription: self.subscription.clone(),
            dead_letters: self.dead_letters,
            states: Arc::clone(&staff.states),
            desk: Arc::clone(&running.desk),
            counters: Arc::clone(&counters),
            service: (staff.layers)(),
            inbox: staff.inbox(&self.subscription),
            observer: staff.observer.clone(),
            hurry: running.taking.child_token(),
            // A token of its own: looked at for each event, it is not shared between threads.
            stop: stop.child_token(),
        };
        Task::spawn(self.subscription, counters, worker, self.deliveries)
    }
}

/// What all workers get.
struct Staff {
    states: Arc<States>,
    layers: Layering,
    observer: Option<Arc<dyn Observer>>,
    /// By handler: its subscriptions share one.
    inboxes: HashMap<&'static str, Arc<Inbox>>,
    service: String,
    log: Option<Log>,
}

impl Staff {
    fn inbox(&mut self, subscription: &Subscription) -> Option<Arc<Inbox>> {
        if !subscription.policy.deduplicate {
            return None;
        }
        let marks = Marks {
            store: self.log.as_ref().map(|log| Arc::clone(&log.store)),
            handler: ArcStr::from(format!("{}.{}", self.service, subscription.handler)),
        };
        let inbox = self.inboxes.entry(subscription.handler);
        let inbox = inbox.or_insert_with(|| Arc::new(Inbox::new(marks)));
        Some(Arc::clone(inbox))
    }
}

impl Wiring<'_> {
    async fn wire(mut self) -> Result<Wired> {
        let mut ears = Vec::new();
        for subscription in &self.topology.subscriptions {
            ears.push(Ear {
                dead_letters: self.dead_letters(subscription)?,
                deliveries: self.subscribe(subscription).await?,
                subscription: subscription.clone(),
            });
        }
        let routes = self.routes()?;
        self.relays().await?;
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
        let cursor = Feed::cursor(&self.topology.service, subscription.handler);
        let start = subscription.start;
        // From here on it misses nothing, also before it is read.
        log.store.cursor(&cursor, start).await?;
        let of = match subscription.hears {
            Hears::Event { name, .. } => Which::Named(vec![name.to_owned()]),
            Hears::Everything => Which::All,
        };
        let (feed, deliveries) = Feed::new(
            Arc::clone(&log.store),
            (cursor, start),
            of,
            subscription.policy.in_flight,
            (log.wake.clone(), self.reading.clone()),
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
                if let Some(known) = relays
                    .iter_mut()
                    .find(|known| known.topic.is(&target.topic))
                {
                    known.events.push(event.name.to_owned());
                    continue;
                }
                log.store
                    .cursor(&Relay::cursor(&target.topic), Start::Now)
                    .await?;
                relays.push(Relay {
                    store: Arc::clone(&log.store),
                    topic: target.topic,
                    streamer: self.connections.publisher(&target.topic, target.open)?,
                    events: vec![event.name.to_owned()],
                    wake: log.wake.clone(),
                    stop: self.reading.clone(),
                });
            }
        }
        let relays = relays.into_iter().map(|relay| Box::pin(relay.run()) as _);
        self.readers.extend(relays);
        let watch = log.wake.watch(log.store, self.reading.clone());
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
                handler: format!("{}.{}", self.topology.service, subscription.handler),
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

    fn routes(&self) -> Result<Routes> {
        let mut routes = Routes::default();
        let local: Vec<_> = self
            .local
            .iter()
            .map(|(hears, handler, inlet)| {
                let (inlet, own) = (Arc::clone(inlet), Arc::clone(&self.own));
                (
                    *hears,
                    routes.target(Target::Local {
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
                        let at = routes.target(Target::Topic {
                            name: target.topic,
                            streamer: self.connections.publisher(&target.topic, target.open)?,
                        });
                        opened.push((target.topic, at));
                        at
                    }
                };
                targets.push(at);
            }
            let hearing = local.iter().filter(|(hears, _)| hears_of(*hears, event));
            targets.extend(hearing.map(|(_, at)| *at));
            let mut own = self.topology.subscriptions.iter();
            let is_logged = self.log.is_some()
                && own.any(|other| other.topic.is_none() && hears_of(other.hears, event));
            routes.route((event.type_id)(), event.name, targets, is_logged);
        }
        Ok(routes)
    }
}

fn hears_of(hears: Hears, event: &EventDeclaration) -> bool {
    match hears {
        Hears::Event { name, .. } => name == event.name,
        Hears::Everything => true,
    }
}

async fn subscribe(
    streamer: &dyn SubscribeAny,
    subscription: &Subscription,
    topic: &TopicName,
) -> Result<Deliveries> {
    let request = SubscriptionRequest {
        topic: topic.topic.to_owned(),
        group: match &subscription.group {
            GroupName::Shared(name) => Group::Shared(name.clone()),
            GroupName::EachInstance => Group::EachInstance,
        },
        max_in_flight: subscription.policy.in_flight,
    };
    streamer.subscribe(request).await.map_err(|error| {
        Error::msg(format!(
            "the handler `{}` could not be subscribed to `{topic}`: {error}",
            subscription.handler
        ))
    })
}
