//! What became of each number.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use fanfare::Result;
use fanfare::event::Event;
use fanfare::store::{PostgresStore, Query, SqliteStore, Store, Which};

use super::service::{Effect, Numbered, ROLLED_BACK};

/// What was streamed, and what was handled: lines of a key and a number.
pub(super) const STREAMED: &str = "streamed";
pub(super) const HANDLED: &str = "handled";
/// The effects that were heard of.
pub(super) const EFFECTS: &str = "effects";

pub(super) struct Books {
    /// Those whose `publish` returned.
    published: Vec<u64>,
    stored: BTreeSet<u64>,
    streamed: Vec<(u64, u64)>,
    handled: Vec<(u64, u64)>,
    /// How often each has an effect in the log.
    effects: BTreeMap<u64, u64>,
}

impl Books {
    pub(super) async fn read(folder: &Path, address: &str, published: Vec<u64>) -> Result<Books> {
        let (stored, effects) = if address.starts_with("postgres:") {
            log(&PostgresStore::connect(address).await?).await?
        } else {
            log(&SqliteStore::open(address).await?).await?
        };
        Ok(Books {
            published,
            stored,
            streamed: lines(folder, STREAMED)?,
            handled: lines(folder, HANDLED)?,
            effects,
        })
    }

    fn lost(&self) -> usize {
        let numbers = |lines: &[(u64, u64)]| lines.iter().map(|(_, number)| *number).collect();
        let streamed: BTreeSet<u64> = numbers(&self.streamed);
        let handled: BTreeSet<u64> = numbers(&self.handled);
        let expected: BTreeSet<u64> = self.stored.iter().chain(&self.published).copied().collect();
        let is_lost = |number: &&u64| {
            !(self.stored.contains(*number)
                && streamed.contains(*number)
                && handled.contains(*number)
                && self.effects.contains_key(*number))
        };
        expected.iter().filter(is_lost).count()
    }

    fn effects_twice(&self) -> usize {
        self.effects.values().filter(|times| **times > 1).count()
    }

    fn out_of_order(&self) -> usize {
        first_out_of_order(&self.streamed) + first_out_of_order(&self.handled)
    }

    /// What was rolled back and is there all the same.
    fn leaked(&self) -> usize {
        let lines = self.streamed.iter().chain(&self.handled);
        let numbers = lines.map(|(_, number)| number).chain(&self.stored);
        numbers.filter(|number| **number >= ROLLED_BACK).count()
    }

    pub(super) fn are_right(&self) -> bool {
        let wrong = self.lost() + self.out_of_order() + self.effects_twice() + self.leaked();
        wrong == 0 && !self.published.is_empty()
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

/// How many came for the first time after a later one of their key.
fn first_out_of_order(lines: &[(u64, u64)]) -> usize {
    let mut seen = BTreeSet::new();
    let mut last = BTreeMap::new();
    let mut wrong = 0;
    for (key, number) in lines {
        if seen.insert(*number) {
            let last = last.entry(*key).or_insert(0);
            wrong += usize::from(*number < *last);
            *last = (*last).max(*number);
        }
    }
    wrong
}

/// Whether all that is stored is streamed, handled, and heard of.
pub(super) async fn is_complete(store: &impl Store, folder: &Path) -> Result<bool> {
    let (stored, effects) = log(store).await?;
    let numbers = |lines: Vec<(u64, u64)>| -> BTreeSet<u64> {
        lines.into_iter().map(|(_, number)| number).collect()
    };
    let streamed = numbers(lines(folder, STREAMED)?);
    Ok(stored.is_subset(&streamed) && stored.iter().all(|number| effects.contains_key(number)))
}

/// The numbers in the log, and how often each has an effect there.
async fn log(store: &impl Store) -> Result<(BTreeSet<u64>, BTreeMap<u64, u64>)> {
    let (mut stored, mut effects) = (BTreeSet::new(), BTreeMap::new());
    let mut query = Query {
        after: 0,
        of: Which::All,
        max: 10_000,
    };
    loop {
        let page = store.read(&query).await?;
        if page.events.is_empty() {
            return Ok((stored, effects));
        }
        query.after = page.up_to;
        for (_, event) in page.events {
            if event.kind() == Effect::NAME {
                let effect: Effect = serde_json::from_slice(event.payload())?;
                *effects.entry(effect.number).or_default() += 1;
            } else {
                let numbered: Numbered = serde_json::from_slice(event.payload())?;
                stored.insert(numbered.number);
            }
        }
    }
}

fn lines(folder: &Path, name: &str) -> Result<Vec<(u64, u64)>> {
    let text = fs::read_to_string(folder.join(name))?;
    let line = |line: &str| -> Option<(u64, u64)> {
        let (key, number) = line.split_once(' ')?;
        Some((key.parse().ok()?, number.parse().ok()?))
    };
    Ok(text.lines().filter_map(line).collect())
}
