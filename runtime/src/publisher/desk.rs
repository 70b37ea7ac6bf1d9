//! Where a service's events get their envelopes and go out.

use std::any::TypeId;
use std::sync::Arc;
use std::time::SystemTime;

use arcstr::{ArcStr, literal};
use futures_util::future::join_all;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio_util::task::TaskTracker;

use super::route::{Route, Routes};
use super::stage::Cause;
use super::{OwnEvents, PublishError, TargetError, Witness};
use crate::codec::Codec;
use crate::error::Error;
use crate::event::cloudevents::extension::EXPIRY_TIME;
use crate::event::{Envelope, EnvelopeParts, Event, EventId, Message, Rfc3339, word};
use crate::store::{Appended, Entry, Mark, Store, StoreError, Wake};

/// What a URI path may hold as it is.
const IN_A_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What all publishers of an app share.
pub(crate) struct Desk {
    source: ArcStr,
    routes: Routes,
    /// The publishes under way from outside of handlers; closed at the shutdown.
    under_way: TaskTracker,
    own: Arc<OwnEvents>,
    /// Where events are stored before they are streamed, if the app has a store.
    log: Option<Log>,
    /// Nobody, but in a test.
    witness: Option<Arc<dyn Witness>>,
}

/// The log of an app with a store.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) store: Arc<dyn Store>,
    /// Whoever reads it.
    pub(crate) wake: Wake,
}

impl Desk {
    pub(crate) fn new(
        service: &str,
        routes: Routes,
        own: Arc<OwnEvents>,
        log: Option<Log>,
        witness: Option<Arc<dyn Witness>>,
    ) -> Self {
        Desk {
            source: source(service),
            routes,
            under_way: TaskTracker::new(),
            own,
            log,
            witness,
        }
    }

    /// The service's own events, on their way to its own handlers.
    pub(crate) fn own(&self) -> &OwnEvents {
        &self.own
    }

    /// Refuses what is published from now on outside of handlers, and waits for what is under way.
    pub(crate) async fn close(&self) {
        self.refuse();
        self.under_way.wait().await;
    }

    /// Refuses what is published from now on outside of handlers.
    pub(crate) fn refuse(&self) {
        self.under_way.close();
    }

    /// Where events are stored, if the app has a store.
    pub(crate) fn log(&self) -> Option<&Log> {
        self.log.as_ref()
    }

    /// The name of an event that is known here.
    pub(crate) fn event_name(&self, name: &str) -> Option<&'static str> {
        let mut names = self.routes.all().iter().map(|route| route.event);
        names.find(|known| *known == name)
    }

    pub(super) fn route<E: Event>(&self) -> Result<&Route, PublishError> {
        match self.routes.of(TypeId::of::<E>()) {
            Some(route) if route.leads_somewhere() => Ok(route),
            _ => Err(PublishError::NoTarget { event: E::NAME }),
        }
    }

    pub(super) fn envelope<E: Event>(
        &self,
        route: &Route,
        event: &E,
        cause: Option<&Cause>,
    ) -> Result<Envelope, PublishError> {
        let codec = E::CODEC.at_home();
        let payload = codec.write(event);
        let payload = payload.map_err(|source| PublishError::Encode {
            event: E::NAME,
            source,
            codec,
        })?;
        let now = SystemTime::now();
        let mut extensions = cause.map_or_else(Vec::new, Cause::extensions);
        if let Some(expires) = E::EXPIRES_AFTER.and_then(|after| now.checked_add(after)) {
            let expires = Rfc3339(expires).to_string();
            extensions.push((ArcStr::from(EXPIRY_TIME), expires.into()));
        }
        let parts = EnvelopeParts {
            id: EventId::made_at(now),
            source: self.source.clone().into(),
            kind: route.kind.clone().into(),
            subject: None,
            time: Some(now),
            content_type: Some(content_type(codec).into()),
            schema: Some(route.schema::<E>().into()),
            key: None,
            extensions,
            payload,
        };
        let envelope = Envelope::announce(parts);
        match event.key() {
            // CloudEvents has no empty key, and it would order nothing.
            Some(key) if !key.is_empty() => {
                envelope
                    .with_key(&key)
                    .map_err(|source| PublishError::Envelope {
                        event: E::NAME,
                        source,
                    })
            }
            _ => Ok(envelope),
        }
    }

    /// Sends one event to each of its targets.
    pub(super) async fn publish(
        &self,
        route: &Route,
        message: Message,
    ) -> Result<(), PublishError> {
        let _under_way = self.under_way.token();
        if self.under_way.is_closed() {
            return Err(shut_down(route));
        }
        let witnessed = self.witness.as_ref().map(|_| message.clone());
        let published = self.send(route, message).await;
        if let Some(message) = witnessed {
            self.witnessed(&published, &message);
        }
        published
    }

    async fn send(&self, route: &Route, message: Message) -> Result<(), PublishError> {
        if let Some(log) = &self.log {
            let stored = log.append(message.into_event(), None).await;
            return stored.map(drop).map_err(|error| not_stored(route, error));
        }
        let targets = self.routes.targets();
        let sent = match route.targets.as_slice() {
            [only] => return published(route, targets[*only].send(message).await.err()),
            several => join_all(several.iter().map(|at| targets[*at].send(message.clone()))).await,
        };
        published(route, sent.into_iter().filter_map(Result::err))
    }

    fn witnessed(&self, published: &Result<(), PublishError>, message: &Message) {
        if let (Some(witness), Ok(())) = (&self.witness, published) {
            witness.announced(message);
        }
    }

    /// Sends many events (each with the index of its route), one batch to each target.
    pub(super) async fn publish_all(
        &self,
        events: Vec<(usize, Message)>,
    ) -> Vec<Result<(), PublishError>> {
        let _under_way = self.under_way.token();
        if self.under_way.is_closed() {
            let refused = events
                .iter()
                .map(|(route, _)| Err(shut_down(self.at(*route))));
            return refused.collect();
        }
        let Some(log) = &self.log else {
            return self.send_all(events).await;
        };
        let stored = events
            .iter()
            .filter_map(|(_, message)| message.event().cloned());
        let Err(error) = log.append(stored, None).await else {
            for (_, message) in &events {
                self.witnessed(&Ok(()), message);
            }
            return events.iter().map(|_| Ok(())).collect();
        };
        let error = Arc::new(error);
        let failed = events.iter().map(|(route, _)| {
            Err(PublishError::Store {
                event: self.at(*route).event,
                source: Arc::clone(&error),
            })
        });
        failed.collect()
    }

    /// Writes what a handler has announced to the log, at once and with the mark that it has
    /// handled its event. If that mark had been made before, nothing is written: another delivery
    /// of the event was quicker, and announced the same.
    pub(super) async fn commit(
        &self,
        log: &Log,
        events: Vec<(usize, Message)>,
        mark: Option<Mark>,
    ) -> Result<Appended, StoreError> {
        if events.is_empty() && mark.is_none() {
            return Ok(Appended::New);
        }
        let stored = events
            .iter()
            .filter_map(|(_, message)| message.event().cloned());
        let appended = log.append(stored, mark).await?;
        if appended == Appended::New {
            for (_, message) in &events {
                self.witnessed(&Ok(()), message);
            }
        }
        Ok(appended)
    }

    /// Sees that the mark is there which a handler has made in a transaction of its own, and with it
    /// what it announced.
    pub(super) async fn confirm(
        &self,
        log: &Log,
        events: &[(usize, Message)],
        mark: &Mark,
    ) -> Result<(), Error> {
        let is_handled = log.store.is_handled(mark).await.map_err(|error| {
            Error::msg(format!(
                "the handler succeeded, but whether the transaction was committed in which it \
                 marked its event as handled could not be seen: {error}"
            ))
        })?;
        if !is_handled {
            return Err(Error::msg(
                "the handler succeeded, but did not commit the transaction in which it marked its \
                 event as handled",
            ));
        }
        log.wake.all();
        for (_, message) in events {
            self.witnessed(&Ok(()), message);
        }
        Ok(())
    }

    /// As [`publish_all`](Desk::publish_all), also while the app shuts down: for a handler that
    /// finishes meanwhile.
    pub(super) async fn send_all(
        &self,
        events: Vec<(usize, Message)>,
    ) -> Vec<Result<(), PublishError>> {
        let mut failed: Vec<Vec<TargetError>> = events.iter().map(|_| Vec::new()).collect();
        let batches = self.batches(&events);
        let sending = batches.iter().map(|batch| {
            let messages = batch.events.iter().map(|at| events[*at].1.clone());
            self.routes.targets()[batch.target].send_all(messages.collect())
        });
        for (batch, results) in batches.iter().zip(join_all(sending).await) {
            for (at, result) in batch.events.iter().zip(results) {
                failed[*at].extend(result.err());
            }
        }
        let all = events.iter().zip(failed);
        all.map(|((route, message), failed)| {
            let published = published(self.at(*route), failed);
            self.witnessed(&published, message);
            published
        })
        .collect()
    }

    fn at(&self, route: usize) -> &Route {
        &self.routes.all()[route]
    }

    fn batches(&self, events: &[(usize, Message)]) -> Vec<Batch> {
        let mut batches: Vec<Batch> = Vec::new();
        for (at, (route, _)) in events.iter().enumerate() {
            for &target in &self.at(*route).targets {
                match batches.iter_mut().find(|batch| batch.target == target) {
                    Some(batch) => batch.events.push(at),
                    None => batches.push(Batch {
                        target,
                        events: vec![at],
                    }),
                }
            }
        }
        batches
    }
}

impl Log {
    async fn append(
        &self,
        events: impl IntoIterator<Item = Envelope>,
        mark: Option<Mark>,
    ) -> Result<Appended, StoreError> {
        let events = events.into_iter().collect();
        let appended = self.store.append(&Entry { events, mark }).await?;
        self.wake.all();
        Ok(appended)
    }
}

fn not_stored(route: &Route, error: StoreError) -> PublishError {
    PublishError::Store {
        event: route.event,
        source: Arc::new(error),
    }
}

/// Which events go to one target, in their order.
struct Batch {
    target: usize,
    events: Vec<usize>,
}

fn shut_down(route: &Route) -> PublishError {
    PublishError::ShutDown { event: route.event }
}

fn published(
    route: &Route,
    failed: impl IntoIterator<Item = TargetError>,
) -> Result<(), PublishError> {
    let targets: Vec<_> = failed.into_iter().collect();
    if targets.is_empty() {
        return Ok(());
    }
    Err(PublishError::Targets {
        event: route.event,
        targets,
    })
}

/// The service's name as the `CloudEvents` `source`, which is a URI-reference.
fn source(service: &str) -> ArcStr {
    match fluent_uri::UriRef::parse(service) {
        Ok(_) => word(service),
        Err(_) => word(&utf8_percent_encode(service, IN_A_PATH).to_string()),
    }
}

/// Without a copy where it is the usual one.
pub(super) fn content_type(codec: Codec) -> ArcStr {
    match codec {
        Codec::Json => literal!("application/json"),
        #[allow(unreachable_patterns, reason = "there may be no other")]
        other => other.content_type().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::source;

    #[test]
    fn a_source_is_a_uri_reference() {
        assert_eq!(source("blog"), "blog");
        assert_eq!(source("/shop/orders"), "/shop/orders");
        assert_eq!(source("Grüße & more"), "Gr%C3%BC%C3%9Fe%20%26%20more");
    }
}
