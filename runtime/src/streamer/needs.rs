//! What the linked code needs of a streamer, and what it needs no more.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Group;

/// What the code that is linked into the service wants of one streamer, all at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Needs {
    /// The service's name. Each of its groups that was not named by hand begins with it and a dot.
    pub service: String,
    /// The topics that are published to: those of events, and those that take dead letters.
    pub published: BTreeSet<String>,
    /// Those of the published topics that take dead letters, which somebody is to look at one day.
    pub dead_letters: BTreeSet<String>,
    /// The topics that are subscribed to, and by which groups.
    pub subscribed: BTreeMap<String, Vec<Group>>,
}

impl Needs {
    /// Every topic, once.
    pub fn topics(&self) -> BTreeSet<&str> {
        let subscribed = self.subscribed.keys();
        self.published
            .iter()
            .chain(subscribed)
            .map(String::as_str)
            .collect()
    }

    /// Whether a group with a name subscribes to a topic.
    pub fn has_group(&self, topic: &str, name: &str) -> bool {
        let groups = self.subscribed.get(topic).into_iter().flatten();
        groups.into_iter().any(|group| match group {
            Group::Shared(known) => known == name,
            Group::EachInstance => false,
        })
    }
}

/// A group that the broker still keeps events for, and that no handler of this program has: what a
/// removed handler has left behind. `Display` names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leftover {
    /// The group's name.
    pub group: String,
    /// The topic, where the broker keeps one group for each.
    pub topic: Option<String>,
    /// How many events wait for it, if the broker says so.
    pub waiting: Option<u64>,
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the group `{}`", self.group)?;
        if let Some(topic) = &self.topic {
            write!(f, " of `{topic}`")?;
        }
        match self.waiting {
            Some(1) => f.write_str(", for which 1 event waits"),
            Some(waiting) => write!(f, ", for which {waiting} events wait"),
            None => Ok(()),
        }
    }
}
