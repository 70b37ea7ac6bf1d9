//! The services of a fleet, each as its topology says: who publishes and hears what, and where they
//! disagree. One service is a fleet of one.
//!
//! Streamers of different services are the same where they have the same declared name.

mod disagreement;
mod read;
mod traffic;

pub(crate) use disagreement::{Disagreement, Kind};
pub(crate) use traffic::{Hearing, Traffic};

use super::Topology;
use super::json::{EventForm, HandlerForm, HearsForm, TopicForm, TopologyForm};

/// Some services, sorted by name.
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    pub(crate) services: Vec<TopologyForm>,
}

impl Fleet {
    /// Of one service.
    pub(crate) fn of(topology: &Topology) -> Self {
        Fleet {
            services: vec![TopologyForm::of(topology)],
        }
    }
}

impl TopologyForm {
    pub(crate) fn event(&self, event: &HearsForm) -> Option<&EventForm> {
        let mut events = self.events.iter();
        events.find(|known| known.name == event.name && known.version == event.version)
    }

    fn handler(&self, name: &str) -> Option<&HandlerForm> {
        self.handlers.iter().find(|handler| handler.name == name)
    }

    /// Whether it has a newer version of an event, so that the older one is there to read what
    /// was written before. With a topic: a newer version that goes there too.
    pub(crate) fn has_newer(&self, event: &EventForm, topic: Option<&TopicForm>) -> bool {
        self.events.iter().any(|other| {
            other.version > event.version
                && other.is_called(&event.name)
                && topic.is_none_or(|topic| other.targets.contains(topic))
        })
    }
}

impl EventForm {
    /// Whether it is or was called so: handlers hear it under either name.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.former_names.iter().any(|former| former == name)
    }

    /// Its name and version.
    pub(crate) fn title(&self) -> String {
        format!("{} v{}", self.name, self.version)
    }
}
