//! The names of nodes in Mermaid and DOT: made of those of what they stand for, so that a picture
//! changes only where the code does.

use std::collections::{BTreeMap, BTreeSet};

use super::{End, Picture};

/// Of letters, digits and underscores, each different from the others.
pub(super) struct Ids {
    pub(super) services: Vec<String>,
    pub(super) streamers: Vec<String>,
    ends: BTreeMap<End, String>,
}

impl Ids {
    pub(super) fn of(picture: &Picture) -> Self {
        let mut taken = BTreeSet::new();
        let mut new = |parts: &[&str]| new(&mut taken, parts);
        let (mut services, mut streamers) = (Vec::new(), Vec::new());
        let mut ends = BTreeMap::new();
        for (nth, service) in picture.services.iter().enumerate() {
            services.push(new(&["service", &service.name]));
            for (at, event) in service.events.iter().enumerate() {
                ends.insert(End::Event(nth, at), new(&["event", &service.name, event]));
            }
            for (at, handler) in service.handlers.iter().enumerate() {
                let id = new(&["handler", &service.name, &handler.name]);
                ends.insert(End::Handler(nth, at), id);
            }
        }
        for (nth, streamer) in picture.streamers.iter().enumerate() {
            streamers.push(new(&["streamer", &streamer.name]));
            for (at, topic) in streamer.topics.iter().enumerate() {
                let id = new(&["topic", &streamer.name, &topic.name]);
                ends.insert(End::Topic(nth, at), id);
            }
        }
        Ids {
            services,
            streamers,
            ends,
        }
    }

    pub(super) fn end(&self, end: End) -> &str {
        self.ends.get(&end).map_or("", String::as_str)
    }
}

fn new(taken: &mut BTreeSet<String>, parts: &[&str]) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = parts.join("_").chars().map(plain).collect();
    let numbered = (2_u64..).map(|number| format!("{name}_{number}"));
    let mut candidates = std::iter::once(name.clone()).chain(numbered);
    let id = candidates.find(|id| taken.insert(id.clone()));
    id.unwrap_or(name)
}
