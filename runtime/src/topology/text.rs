//! The topology as a text that a person reads at a glance.

use std::fmt;

use super::{EventDeclaration, StreamerUse, Topology};
use crate::dispatch::{GroupName, Hears, Policy, RetryOrder, Subscription};
use crate::store::Start;

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "service {}", self.service)?;
        section(
            f,
            "events",
            self.events.iter().map(|event| event_row(event)),
        )?;
        section(f, "handlers", self.subscriptions.iter().map(handler_row))?;
        section(f, "streamers", self.streamers.iter().map(streamer_row))
    }
}

fn event_row(event: &EventDeclaration) -> Vec<String> {
    let targets: Vec<_> = event
        .targets
        .iter()
        .map(|target| target.topic.to_string())
        .collect();
    let key = event.key.map(|key| format!("key {key}"));
    vec![
        format!("{} v{}", event.name, event.version),
        match targets.as_slice() {
            [] => "-> this service only".to_owned(),
            targets => format!("-> {}", targets.join(", ")),
        },
        key.unwrap_or_default(),
        match event.former_names {
            [] => String::new(),
            names => format!("formerly {}", names.join(", ")),
        },
    ]
}

fn handler_row(subscription: &Subscription) -> Vec<String> {
    let own = subscription.topic.is_none();
    let group = match &subscription.group {
        _ if own => String::new(),
        GroupName::Shared(name) => format!("group {name}"),
        GroupName::EachInstance => "each instance".to_owned(),
    };
    let dead_letters = match subscription.dead_letters {
        Some(topic) => topic.to_string(),
        None if own => "the store, or the log".to_owned(),
        None => "the store, or the streamer's own".to_owned(),
    };
    vec![
        subscription.handler.to_owned(),
        hears(subscription.hears),
        format!("<- {}", subscription.from()),
        group,
        format!("dead letters: {dead_letters}"),
        beyond_default(subscription),
    ]
}

/// What a handler says of how it is tried, where that is not the default.
fn beyond_default(subscription: &Subscription) -> String {
    let (policy, default) = (&subscription.policy, Policy::DEFAULT);
    let mut said = Vec::new();
    let mut say = |is_said: bool, what: fmt::Arguments<'_>| {
        if is_said {
            said.push(what.to_string());
        }
    };
    let from_beginning = subscription.start == Start::Beginning;
    say(from_beginning, format_args!("from beginning"));
    say(policy.deduplicate, format_args!("deduplicate"));
    let pauses = (policy.shortest_pause, policy.longest_pause);
    say(
        policy.attempts != default.attempts,
        format_args!("attempts {}", policy.attempts),
    );
    say(
        pauses != (default.shortest_pause, default.longest_pause),
        format_args!("backoff {:?}..{:?}", pauses.0, pauses.1),
    );
    say(policy.order == RetryOrder::Requeue, format_args!("requeue"));
    if let Some(timeout) = policy.timeout {
        say(true, format_args!("timeout {timeout:?}"));
    }
    say(
        policy.concurrency != default.concurrency,
        format_args!("concurrency {}", policy.concurrency),
    );
    say(
        policy.in_flight != default.in_flight,
        format_args!("in flight {}", policy.in_flight),
    );
    if let Some(batch) = policy.batch {
        say(
            true,
            format_args!("batch {} within {:?}", batch.max, batch.within),
        );
    }
    said.join(", ")
}

pub(super) fn hears(hears: Hears) -> String {
    match hears {
        Hears::Event { name, version, .. } => format!("{name} v{version}"),
        Hears::Everything => "every message".to_owned(),
    }
}

fn streamer_row(streamer: &StreamerUse) -> Vec<String> {
    let topics: Vec<_> = streamer.topics.iter().copied().collect();
    vec![
        streamer.name.to_owned(),
        streamer
            .declaration
            .map_or("not declared", |declaration| declaration.kind)
            .to_owned(),
        match topics.as_slice() {
            [] => "mentioned by nothing, so not connected".to_owned(),
            topics => topics.join(", "),
        },
    ]
}

/// A headline, and its rows in columns.
fn section(
    f: &mut fmt::Formatter<'_>,
    headline: &str,
    rows: impl Iterator<Item = Vec<String>>,
) -> fmt::Result {
    let rows: Vec<_> = rows.collect();
    writeln!(f, "\n{headline}")?;
    if rows.is_empty() {
        writeln!(f, "  none")?;
    }
    columns(f, &rows)
}

/// Rows of as many cells each, in columns.
pub(crate) fn columns(f: &mut fmt::Formatter<'_>, rows: &[Vec<String>]) -> fmt::Result {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<_> = (0..columns)
        .map(|column| width(column).unwrap_or_default())
        .collect();
    for row in rows {
        let cells = row.iter().zip(&widths).filter(|(_, width)| **width > 0);
        let line = cells.fold(String::new(), |line, (cell, width)| {
            line + &format!("  {cell:<width$}")
        });
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}
