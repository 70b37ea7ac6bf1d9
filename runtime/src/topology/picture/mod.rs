//! A fleet as a picture: services with their events and handlers, the streamers' topics between them.

mod dot;
mod ids;
mod layout;
mod mermaid;
mod svg;
mod text;

use std::collections::BTreeMap;

use super::fleet::{Fleet, Hearing};
use super::json::{EventForm, TopicForm, TopologyForm};
use crate::event::printable;

pub(crate) use text::Listing;

/// What is drawn, whatever it is drawn with. All of it is in the order of the names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Picture {
    services: Vec<Service>,
    streamers: Vec<Streamer>,
    edges: Vec<Edge>,
}

#[derive(Clone, Debug)]
struct Service {
    name: String,
    /// Those that it publishes, and those that its own handlers hear.
    events: Vec<String>,
    handlers: Vec<Handler>,
}

#[derive(Clone, Debug)]
struct Handler {
    name: String,
    hears: String,
}

#[derive(Clone, Debug)]
struct Streamer {
    name: String,
    /// The types that services have for it.
    kind: String,
    topics: Vec<Topic>,
}

#[derive(Clone, Debug)]
struct Topic {
    name: String,
    is_for_dead_letters: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Edge {
    from: End,
    to: End,
    kind: EdgeKind,
    /// The group, where it is not the handler's own.
    label: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EdgeKind {
    /// Events go there.
    Streamed,
    /// Within the service.
    Own,
    /// Dead letters go there.
    Buried,
}

/// The first number is that of the service or streamer, the second one that of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Event(usize, usize),
    Topic(usize, usize),
    Handler(usize, usize),
}

impl Picture {
    pub(crate) fn of(fleet: &Fleet) -> Self {
        let mut picture = Picture::default();
        let topics = picture.streamers_of(fleet);
        for (nth, service) in fleet.services.iter().enumerate() {
            picture.add(nth, service, fleet, &topics);
        }
        picture
    }

    /// With where each topic is.
    fn streamers_of<'f>(&mut self, fleet: &'f Fleet) -> BTreeMap<&'f TopicForm, End> {
        let mut places = BTreeMap::new();
        for (topic, traffic) in fleet.traffic() {
            let name = printable(&topic.streamer);
            if self.streamers.last().is_none_or(|last| last.name != name) {
                let kind = kind(fleet, &topic.streamer);
                let topics = Vec::new();
                self.streamers.push(Streamer { name, kind, topics });
            }
            let nth = self.streamers.len() - 1;
            let topics = &mut self.streamers[nth].topics;
            places.insert(topic, End::Topic(nth, topics.len()));
            topics.push(Topic {
                name: printable(&topic.topic),
                is_for_dead_letters: traffic.published.is_empty() && !traffic.buried.is_empty(),
            });
        }
        places
    }

    fn add(
        &mut self,
        nth: usize,
        form: &TopologyForm,
        fleet: &Fleet,
        topics: &BTreeMap<&TopicForm, End>,
    ) {
        let traffic = fleet.traffic();
        let is_of = |service: &TopologyForm| service.service == form.service;
        let handlers = form.handlers.iter().map(|handler| handler.name.as_str());
        let handlers: Vec<_> = handlers.collect();
        let handler = |hearing: &Hearing<'_>| {
            let name = &hearing.subscription.handler;
            let at = handlers.iter().position(|known| known == name);
            End::Handler(nth, at.unwrap_or_default())
        };
        let mut events = Vec::new();
        for event in &form.events {
            let end = End::Event(nth, events.len());
            let mut edges = Vec::new();
            for (topic, traffic) in &traffic {
                let mut published = traffic.published.iter();
                if published.any(|it| is_of(it.service) && it.event.title() == event.title()) {
                    edges.push(edge(end, topics[topic], EdgeKind::Streamed, None));
                }
            }
            for hearing in own_hearings(form, event) {
                edges.push(edge(end, handler(&hearing), EdgeKind::Own, None));
            }
            let is_idle = event.targets.is_empty() && !form.has_newer(event, None);
            if !edges.is_empty() || is_idle {
                events.push(printable(event.title()));
                self.edges.extend(edges);
            }
        }
        for (topic, traffic) in &traffic {
            for hearing in traffic.heard.iter().filter(|it| is_of(it.service)) {
                let (from, to) = (topics[topic], handler(hearing));
                self.edges
                    .push(edge(from, to, EdgeKind::Streamed, group(hearing)));
            }
            for hearing in traffic.buried.iter().filter(|it| is_of(it.service)) {
                let (from, to) = (handler(hearing), topics[topic]);
                self.edges.push(edge(from, to, EdgeKind::Buried, None));
            }
        }
        self.services.push(Service {
            name: printable(&form.service),
            events,
            handlers: handlers_of(form),
        });
    }
}

impl Streamer {
    fn title(&self) -> String {
        match self.kind.as_str() {
            "" => self.name.clone(),
            kind => format!("{} ({kind})", self.name),
        }
    }
}

impl Edge {
    /// What stands at it.
    fn label(&self) -> Option<&str> {
        match self.kind {
            EdgeKind::Buried => Some("dead letters"),
            EdgeKind::Streamed | EdgeKind::Own => self.label.as_deref(),
        }
    }
}

fn edge(from: End, to: End, kind: EdgeKind, label: Option<String>) -> Edge {
    Edge {
        from,
        to,
        kind,
        label,
    }
}

fn handlers_of(form: &TopologyForm) -> Vec<Handler> {
    let handlers = form.handlers.iter().map(|handler| {
        let event = handler.event.as_ref().and_then(|event| form.event(event));
        Handler {
            name: printable(&handler.name),
            hears: event.map_or_else(|| "every message".to_owned(), |it| printable(it.title())),
        }
    });
    handlers.collect()
}

/// The handlers that hear an event inside of its service: of its versions, in the newest.
fn own_hearings<'f>(
    form: &'f TopologyForm,
    event: &'f EventForm,
) -> impl Iterator<Item = Hearing<'f>> {
    let is_newest = !form.has_newer(event, None);
    form.hearings().filter(move |hearing| {
        is_newest && hearing.subscription.topic.is_none() && hearing.hears(&event.name)
    })
}

/// What a streamer is in the services: `Kafka`, or several where they differ.
fn kind(fleet: &Fleet, streamer: &str) -> String {
    let streamers = fleet.services.iter().flat_map(|it| &it.streamers);
    let named = streamers.filter(|it| it.name == streamer && it.connected);
    let mut kinds: Vec<_> = named.filter_map(|it| it.r#type.as_deref()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    printable(kinds.join(", "))
}

fn group(hearing: &Hearing<'_>) -> Option<String> {
    let own = format!(
        "{}.{}",
        hearing.service.service, hearing.subscription.handler
    );
    match &hearing.subscription.group {
        None => Some("each instance".to_owned()),
        Some(group) if *group == own => None,
        Some(group) => Some(format!("group {}", printable(group))),
    }
}
