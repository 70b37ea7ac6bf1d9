//! Who publishes to a topic, and who hears there.
//!
//! That a service *may* publish an event is all that its code says: it declares the event with the
//! topic. Who hears an event has to declare it, too. So a service that hears an event itself is taken
//! to publish it only where nobody else does.

use std::collections::BTreeMap;

use super::Fleet;
use crate::topology::json::{EventForm, SubscriptionForm, TopicForm, TopologyForm};

/// What happens on one topic, in the order of the services and of the names in them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic<'f> {
    pub(crate) published: Vec<Publication<'f>>,
    pub(crate) heard: Vec<Hearing<'f>>,
    /// The handlers whose dead letters go there.
    pub(crate) buried: Vec<Hearing<'f>>,
}

/// An event that a service publishes, in its newest version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Publication<'f> {
    pub(crate) service: &'f TopologyForm,
    pub(crate) event: &'f EventForm,
    /// Whether the service does not hear it itself, which would be a reason to declare it.
    pub(crate) is_certain: bool,
}

/// A handler that hears a topic, or the service's own events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hearing<'f> {
    pub(crate) service: &'f TopologyForm,
    pub(crate) subscription: &'f SubscriptionForm,
    /// None for every message.
    pub(crate) event: Option<&'f EventForm>,
}

impl Hearing<'_> {
    /// Whether events of this name are for it.
    pub(crate) fn hears(&self, name: &str) -> bool {
        self.event.is_none_or(|event| event.is_called(name))
    }

    /// What it hears.
    pub(crate) fn title(&self) -> String {
        self.event
            .map_or_else(|| "every message".to_owned(), EventForm::title)
    }
}

impl TopologyForm {
    /// Its subscriptions.
    pub(crate) fn hearings(&self) -> impl Iterator<Item = Hearing<'_>> {
        self.subscriptions.iter().map(|subscription| {
            let event = subscription.event.as_ref();
            Hearing {
                service: self,
                subscription,
                event: event.and_then(|event| self.event(event)),
            }
        })
    }

    fn publications(&self) -> impl Iterator<Item = (&TopicForm, Publication<'_>)> {
        self.events.iter().flat_map(move |event| {
            let targets = event.targets.iter();
            let newest = targets.filter(move |topic| !self.has_newer(event, Some(topic)));
            newest.map(move |topic| (topic, self.publication(event, topic)))
        })
    }

    fn publication<'f>(&'f self, event: &'f EventForm, topic: &TopicForm) -> Publication<'f> {
        let mut listening = self.hearings();
        let hears_itself = listening.any(|hearing| {
            hearing.subscription.topic.as_ref() == Some(topic)
                && hearing
                    .event
                    .is_some_and(|heard| heard.is_called(&event.name))
        });
        Publication {
            service: self,
            event,
            is_certain: !hears_itself,
        }
    }
}

impl Fleet {
    /// All topics that are published to, heard, or that take dead letters.
    pub(crate) fn traffic(&self) -> BTreeMap<&TopicForm, Traffic<'_>> {
        let mut topics: BTreeMap<&TopicForm, Traffic<'_>> = BTreeMap::new();
        for service in &self.services {
            for (topic, publication) in service.publications() {
                topics.entry(topic).or_default().published.push(publication);
            }
            for hearing in service.hearings() {
                if let Some(topic) = &hearing.subscription.topic {
                    topics.entry(topic).or_default().heard.push(hearing);
                }
                if let Some(topic) = &hearing.subscription.dead_letters {
                    topics.entry(topic).or_default().bury(hearing);
                }
            }
        }
        for traffic in topics.values_mut() {
            traffic.leave_out_who_only_hears();
        }
        bury_where_streamers_do(&mut topics);
        topics
    }
}

impl<'f> Traffic<'f> {
    /// Once, also where it hears several topics.
    fn bury(&mut self, hearing: Hearing<'f>) {
        let is_known = |known: &Hearing<'_>| {
            known.service.service == hearing.service.service
                && known.subscription.handler == hearing.subscription.handler
        };
        if !self.buried.iter().any(is_known) {
            self.buried.push(hearing);
        }
    }

    /// Those who hear an event that another service is known to publish.
    fn leave_out_who_only_hears(&mut self) {
        let certain: Vec<_> = self.published.iter().filter(|it| it.is_certain).collect();
        let names: Vec<_> = certain.iter().map(|it| it.event.name.as_str()).collect();
        self.published
            .retain(|it| it.is_certain || !names.iter().any(|name| it.event.is_called(name)));
    }
}

/// What handlers that name no topic give up goes to `<topic>.dead-letters`, if to none of a store.
fn bury_where_streamers_do(topics: &mut BTreeMap<&TopicForm, Traffic<'_>>) {
    let names: Vec<&TopicForm> = topics.keys().copied().collect();
    for name in names {
        let Some(topic) = name.topic.strip_suffix(".dead-letters") else {
            continue;
        };
        let source = TopicForm {
            streamer: name.streamer.clone(),
            topic: topic.to_owned(),
        };
        let Some(heard) = topics.get(&source).map(|traffic| traffic.heard.clone()) else {
            continue;
        };
        let traffic = topics.entry(name).or_default();
        for hearing in heard {
            if hearing.subscription.dead_letters.is_none() {
                traffic.bury(hearing);
            }
        }
    }
}
