//! What became of each number.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fanfare::Result;
use fanfare::event::Event;
use fanfare::store::{PostgresStore, Query, SqliteStore, Store, Which};
use fanfare_tests::lives::{notes, overtaken};

use super::service::{Effect, Numbered, ROLLED_BACK, is_refused};

// What was streamed, what was handled, and the effects that were heard of: files, with lines of a
// key and a number.
pub(super) const STREAMED: &str = "streamed";
pub(super) const HANDLED: &str = "handled";
pub(super) const HEARD: &str = "heard";

/// The log, as far as it was read.
#[derive(Default)]
pub(super) struct Log {
    read: u64,
    /// The numbers, and how often each is there.
    stored: BTreeMap<u64, u64>,
    effects: BTreeMap<u64, u64>,
    /// What is among the dead letters.
    buried: BTreeMap<u64, u64>,
}

impl Log {
    /// Reads on.
    async fn read(&mut self, store: &impl Store) -> Result<()> {
        loop {
            let query = Query {
                after: self.read,
                of: Which::All,
                max: 10_000,
            };
            let page = store.read(&query).await?;
            self.read = page.up_to;
            if page.events.is_empty() {
                break;
            }
            for (_, event) in page.events {
                if event.kind() == Effect::NAME {
                    let effect: Effect = serde_json::from_slice(event.payload())?;
                    *self.effects.entry(effect.number).or_default() += 1;
                } else {
                    let numbered: Numbered = serde_json::from_slice(event.payload())?;
                    *self.stored.entry(numbered.number).or_default() += 1;
                }
            }
        }
        // All of them: who has the lower number may be seen later.
        self.buried.clear();
        for (_, letter) in store.dead_letters(0, usize::MAX).await? {
            let numbered: Numbered = serde_json::from_slice(letter.message.payload())?;
            *self.buried.entry(numbered.number).or_default() += 1;
        }
        Ok(())
    }

    /// What is stored and has not led to all that it is to lead to.
    fn unfinished<'a>(&'a self, notes: &'a Notes) -> impl Iterator<Item = u64> + 'a {
        let is_done = |number: &u64| {
            notes.streamed.contains(number)
                && notes.handled.contains(number)
                && notes.heard.contains(number)
                && self.effects.contains_key(number)
                && (!is_refused(*number) || self.buried.contains_key(number))
        };
        self.stored.keys().copied().filter(move |it| !is_done(it))
    }
}

/// The numbers in the files.
struct Notes {
    streamed: BTreeSet<u64>,
    handled: BTreeSet<u64>,
    heard: BTreeSet<u64>,
}

impl Notes {
    fn read(folder: &Path) -> Notes {
        let numbers = |name| {
            let notes = notes(folder, name).into_iter();
            notes.map(|(_, number)| number).collect()
        };
        Notes {
            streamed: numbers(STREAMED),
            handled: numbers(HANDLED),
            heard: numbers(HEARD),
        }
    }
}

/// How much of what is stored is not streamed, handled, and heard of.
pub(super) async fn unfinished(log: &mut Log, store: &impl Store, folder: &Path) -> Result<usize> {
    log.read(store).await?;
    Ok(log.unfinished(&Notes::read(folder)).count())
}

/// All that is known in the end.
pub(super) struct Books {
    /// Those whose `publish` returned.
    published: Vec<u64>,
    log: Log,
    notes: Notes,
    streamed: Vec<(u64, u64)>,
    handled: Vec<(u64, u64)>,
    heard: Vec<(u64, u64)>,
}

impl Books {
    pub(super) async fn read(folder: &Path, address: &str, published: Vec<u64>) -> Result<Books> {
        let mut log = Log::default();
        if address.starts_with("postgres:") {
            log.read(&PostgresStore::connect(address).await?).await?;
        } else {
            log.read(&SqliteStore::open(address).await?).await?;
        }
        Ok(Books {
            published,
            log,
            notes: Notes::read(folder),
            streamed: notes(folder, STREAMED),
            handled: notes(folder, HANDLED),
            heard: notes(folder, HEARD),
        })
    }

    fn lost(&self) -> usize {
        let stored = &self.log.stored;
        let published = self.published.iter();
        let unstored = published.filter(|number| !stored.contains_key(number));
        unstored.count() + self.log.unfinished(&self.notes).count()
    }

    fn effects_twice(&self) -> usize {
        twice(&self.log.effects)
    }

    fn out_of_order(&self) -> usize {
        overtaken(&self.streamed).len() + overtaken(&self.handled).len()
    }

    /// What was rolled back and is there all the same, and what nobody published.
    fn leaked(&self) -> usize {
        let Notes {
            streamed,
            handled,
            heard,
        } = &self.notes;
        let noted = streamed.iter().chain(handled).chain(heard);
        let stored = self.log.stored.keys().chain(self.log.effects.keys());
        let is_leaked =
            |number: &&u64| **number >= ROLLED_BACK || !self.log.stored.contains_key(number);
        let leaked: BTreeSet<_> = noted.chain(stored).filter(is_leaked).collect();
        leaked.len() + twice(&self.log.stored)
    }

    pub(super) fn are_right(&self) -> bool {
        let wrong = self.lost() + self.out_of_order() + self.effects_twice() + self.leaked();
        wrong == 0 && !self.published.is_empty()
    }

    /// What came more than once, which is allowed, and what was stored and `publish` did not say so.
    pub(super) fn again(&self) -> String {
        let again = |all: usize, first: usize| all - first;
        format!(
            "again: streamed={} handled={} heard={} buried={} unanswered={}",
            again(self.streamed.len(), self.notes.streamed.len()),
            again(self.handled.len(), self.notes.handled.len()),
            again(self.heard.len(), self.notes.heard.len()),
            twice(&self.log.buried),
            self.log.stored.len().saturating_sub(self.published.len()),
        )
    }

    pub(super) fn line(&self, kills: u64) -> String {
        let leaked = match self.leaked() {
            0 => String::new(),
            leaked => format!("{leaked} that were rolled back are there all the same\n"),
        };
        format!(
            "{leaked}crash: kills={kills} published={} lost={} out_of_order={} effects_twice={}",
            self.published.len(),
            self.lost(),
            self.out_of_order(),
            self.effects_twice()
        )
    }
}

fn twice(times: &BTreeMap<u64, u64>) -> usize {
    times.values().filter(|times| **times > 1).count()
}
