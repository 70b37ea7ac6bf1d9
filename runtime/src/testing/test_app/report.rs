//! Everything that happened, for a failing assertion to print.

use std::collections::HashSet;
use std::fmt;

use super::TestApp;
use super::record::Entry;
use super::seen::{At, Excerpt, Named};
use crate::event::{EventId, Message};

/// The most lines that are shown.
const LINES: usize = 200;

/// What became of each subscription, and then all that happened, one line each; of more than 200
/// lines, the last 200.
impl fmt::Display for TestApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = &self.running.topology().service;
        let now = At(self.record.now());
        writeln!(f, "`{service}`, {now} after its start")?;
        for counts in self.running.counts() {
            writeln!(f, "  {counts}")?;
        }
        let (before, entries) = self.record.last(LINES);
        match (before, entries.is_empty()) {
            (0, true) => return f.write_str("nothing has happened"),
            (0, false) => f.write_str("what happened:\n")?,
            (before, _) => writeln!(f, "what happened, after {before} lines that are left out:")?,
        }
        f.write_str(&lines(&entries))
    }
}

impl fmt::Debug for TestApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Each entry in a line of its own. Of what was announced, those that say it all: what went to a
/// topic has a line already.
pub(super) fn lines(entries: &[Entry]) -> String {
    let id = |message: &Message| Some(message.event()?.id().clone());
    let streamed = entries.iter().filter_map(|entry| match entry {
        Entry::Streamed(.., message) => id(message),
        _ => None,
    });
    let streamed: HashSet<EventId> = streamed.collect();
    let news = entries.iter().filter(|entry| match entry {
        Entry::Announced(_, message) => id(message).is_none_or(|id| !streamed.contains(&id)),
        _ => true,
    });
    let lines: Vec<_> = news.map(|entry| line(entry).to_string()).collect();
    lines.join("\n")
}

fn line(entry: &Entry) -> impl fmt::Display {
    fmt::from_fn(move |f| match entry {
        Entry::Announced(at, event) => {
            write!(f, "{:>12}  announced: {}", At(*at), Whole(event))
        }
        Entry::Streamed(at, place, message) => {
            let (streamer, topic) = (place.streamer, &place.topic);
            write!(
                f,
                "{:>12}  to {streamer}/{topic}: {}",
                At(*at),
                Whole(message)
            )
        }
        Entry::Attempted(attempt) => write!(f, "{:>12}  {attempt}", At(attempt.ended)),
        Entry::GaveUp(letter) => write!(f, "{:>12}  {letter}", At(letter.at)),
    })
}

/// A message and what is in it.
struct Whole<'a>(&'a Message);

impl fmt::Display for Whole<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Message::Event(event) => write!(
                f,
                "{} from {:.200}, {}",
                Named(self.0),
                event.source(),
                Excerpt(self.0)
            ),
            Message::Foreign(_) => Named(self.0).fmt(f),
        }
    }
}
