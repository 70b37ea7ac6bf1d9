//! Where the services of a fleet do not fit together.

use std::collections::BTreeMap;

use serde::Serialize;

use super::traffic::{Hearing, Publication, Traffic};
use super::{EventForm, Fleet};
use crate::event::printable;
use crate::topology::json::{TopicForm, TopologyForm};
use crate::topology::schemas;

/// Something that goes wrong, or may, when these services run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Disagreement {
    pub(crate) kind: Kind,
    pub(crate) topic: TopicForm,
    pub(crate) message: String,
    /// Whether it is for sure: it is not where the code does not say who publishes.
    #[serde(skip)]
    pub(crate) is_certain: bool,
}

/// What kind of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A subscriber does not read what a publisher writes.
    Unreadable,
    /// An event is heard, and nobody publishes it.
    Unpublished,
    /// An event is published, and nobody hears it.
    Unheard,
}

impl Fleet {
    /// All of them, by topic.
    pub(crate) fn disagreements(&self) -> Vec<Disagreement> {
        let topics = self.traffic();
        let of_each = topics.iter().flat_map(|(topic, traffic)| {
            let (unread, unpublished) = (traffic.unread(), traffic.unpublished());
            let found = unread.chain(unpublished).chain(traffic.unheard());
            found.map(move |(kind, is_certain, message)| Disagreement {
                kind,
                topic: (*topic).clone(),
                message: format!("{}: {message}", printable(topic)),
                is_certain,
            })
        });
        of_each.collect()
    }
}

type Found = (Kind, bool, String);

impl Traffic<'_> {
    /// What a publisher writes and a subscriber does not read.
    fn unread(&self) -> impl Iterator<Item = Found> {
        self.published.iter().flat_map(move |publication| {
            let others = self.heard.iter().filter(|hearing| {
                hearing.service.service != publication.service.service
                    && hearing.hears(&publication.event.name)
            });
            others.filter_map(move |hearing| {
                let reason = misfit(publication, hearing)?;
                let is_certain =
                    publication.is_certain || self.is_unread_either_way(publication, hearing);
                let message = format!(
                    "{}, and {} {reason}",
                    publishes(publication),
                    named(hearing)
                );
                Some((Kind::Unreadable, is_certain, message))
            })
        })
    }

    /// Whether, of two services that both hear an event, neither can read what the other writes.
    /// Where one can, it may be that the other one is the publisher.
    fn is_unread_either_way(&self, publication: &Publication<'_>, hearing: &Hearing<'_>) -> bool {
        let mut back = self.published.iter().filter(|other| {
            other.service.service == hearing.service.service && hearing.hears(&other.event.name)
        });
        back.any(|back| {
            self.heard.iter().any(|other| {
                other.service.service == publication.service.service
                    && other.hears(&back.event.name)
                    && misfit(back, other).is_some()
            })
        })
    }

    /// What is heard, and nobody publishes, or perhaps nobody.
    fn unpublished(&self) -> impl Iterator<Item = Found> {
        let never = self.heard.iter().filter(|hearing| {
            let mut published = self.published.iter();
            let is_published = published.any(|it| hearing.hears(&it.event.name));
            let is_of_dead_letters = hearing.event.is_none() && !self.buried.is_empty();
            !is_published && !is_of_dead_letters
        });
        let never = never.map(|hearing| {
            let (what, title) = (named(hearing), printable(hearing.title()));
            let message = format!("{what} hears `{title}`, and nobody publishes it");
            (Kind::Unpublished, true, message)
        });
        never.chain(self.perhaps_unpublished())
    }

    fn perhaps_unpublished(&self) -> impl Iterator<Item = Found> {
        let mut events: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for publication in self.published.iter().filter(|it| !it.is_certain) {
            let services = events.entry(&publication.event.name).or_default();
            services.push(format!("`{}`", printable(&publication.service.service)));
        }
        events.into_iter().map(|(event, services)| {
            let message = format!(
                "nobody declares `{}` but who hears it: {}. Whether one of them publishes it, the code does not say",
                printable(event),
                services.join(", ")
            );
            (Kind::Unpublished, false, message)
        })
    }

    /// What is published, and nobody hears.
    fn unheard(&self) -> impl Iterator<Item = Found> {
        let unheard = self.published.iter().filter(|publication| {
            let mut heard = self.heard.iter();
            !heard.any(|hearing| hearing.hears(&publication.event.name))
        });
        unheard.map(|publication| {
            let mut former = self.heard.iter().filter(|hearing| {
                let event = hearing.event.map(|event| event.name.as_str());
                event.is_some_and(|name| publication.event.is_called(name))
            });
            let known = former.next().map_or_else(String::new, |hearing| {
                let (what, title) = (named(hearing), printable(hearing.title()));
                format!(": {what} knows only its former name, and hears `{title}`")
            });
            let message = format!("{}, and nobody hears it{known}", publishes(publication));
            (Kind::Unheard, true, message)
        })
    }
}

fn publishes(publication: &Publication<'_>) -> String {
    let service = printable(&publication.service.service);
    format!(
        "`{service}` publishes `{}`",
        printable(publication.event.title())
    )
}

fn named(hearing: &Hearing<'_>) -> String {
    let handler = printable(&hearing.subscription.handler);
    format!("`{handler}` of `{}`", printable(&hearing.service.service))
}

/// Why a handler does not read an event, if it does not. Of an older version its own service says
/// what it reads.
fn misfit(publication: &Publication<'_>, hearing: &Hearing<'_>) -> Option<String> {
    let (written, read) = (publication.event, hearing.event?);
    let content_type = match &hearing.subscription.topic {
        Some(topic) => written.content_type_on(topic),
        None => &written.content_type,
    };
    if !hearing
        .service
        .reads
        .iter()
        .any(|reads| reads == content_type)
    {
        let codec = printable(content_type);
        return Some(format!("is built without the codec of `{codec}`"));
    }
    if written.version > read.version {
        return Some(format!("knows no newer version than v{}", read.version));
    }
    let Some(read) = version(hearing.service, read, written) else {
        return Some("does not know this version any more".to_owned());
    };
    let written = schema(publication.service, written)?;
    let reasons = schemas::unread(written, schema(hearing.service, read)?);
    let reasons: Vec<_> = reasons.iter().map(printable).collect();
    (!reasons.is_empty()).then(|| format!("cannot read it: {}", reasons.join("; ")))
}

/// What a service knows an event as in the version in which it is written.
fn version<'f>(
    service: &'f TopologyForm,
    newest: &'f EventForm,
    written: &EventForm,
) -> Option<&'f EventForm> {
    let events = service.events.iter();
    let known: Vec<_> = events
        .filter(|event| event.version == written.version && newest.is_called(&event.name))
        .collect();
    let same = known.iter().find(|event| event.name == written.name);
    same.or(known.first()).copied()
}

fn schema<'f>(service: &'f TopologyForm, event: &EventForm) -> Option<&'f serde_json::Value> {
    service.schemas.get(&event.name)?.get(&event.version)
}
