//! What the code needs of each streamer.

use super::connections::Connections;
use crate::dispatch::{GroupName, Subscription};
use crate::error::Result;
use crate::event::TopicName;
use crate::streamer::{Group, Needs};
use crate::topology::Topology;

impl GroupName {
    /// As the streamer is asked for it.
    pub(super) fn to_group(&self) -> Group {
        match self {
            GroupName::Shared(name) => Group::Shared(name.clone()),
            GroupName::EachInstance => Group::EachInstance,
        }
    }
}

/// What the topology wants of the streamer of this set and name.
pub(super) fn of(
    topology: &Topology,
    connections: &Connections,
    has_store: bool,
    (set, name): (&str, &str),
) -> Result<Needs> {
    let is_here = |topic: &&TopicName| (topic.set, topic.streamer) == (set, name);
    let mut needs = Needs {
        service: topology.service.clone(),
        ..Needs::default()
    };
    let targets = topology.events.iter().flat_map(|event| event.targets);
    let published = targets.map(|target| &target.topic).filter(is_here);
    needs
        .published
        .extend(published.map(|topic| topic.topic.to_owned()));
    for subscription in &topology.subscriptions {
        if let Some(topic) = subscription.topic.as_ref().filter(is_here) {
            let groups = needs.subscribed.entry(topic.topic.to_owned()).or_default();
            groups.push(subscription.group.to_group());
        }
        if let Some(topic) = dead_letters(subscription, connections, has_store)?
            && is_here(&&topic.0)
        {
            needs.dead_letters.insert(topic.1.clone());
            needs.published.insert(topic.1);
        }
    }
    Ok(needs)
}

/// The topic that takes a handler's dead letters, if one does: of which streamer, and its name there.
fn dead_letters(
    subscription: &Subscription,
    connections: &Connections,
    has_store: bool,
) -> Result<Option<(TopicName, String)>> {
    if let Some(topic) = subscription.dead_letters {
        return Ok(Some((topic, topic.topic.to_owned())));
    }
    match subscription.topic {
        Some(topic) if !has_store => {
            let name = connections.dead_letter_topic(&topic)?;
            Ok(Some((topic, name)))
        }
        _ => Ok(None),
    }
}
