//! What became of each number.

use std::collections::BTreeSet;
use std::path::Path;

use fanfare_tests::lives::{notes, overtaken};

/// The file of what was handled, with lines of a key and a number.
pub(super) const HANDLED: &str = "handled";

/// What was handled so far.
pub(super) fn handled(folder: &Path) -> Vec<(u64, u64)> {
    notes(folder, HANDLED)
}

/// All that is known in the end.
pub(super) struct Books {
    /// Those whose `publish` returned.
    published: BTreeSet<(u64, u64)>,
    handled: Vec<(u64, u64)>,
    once: BTreeSet<(u64, u64)>,
}

impl Books {
    pub(super) fn read(folder: &Path, published: &[(u64, u64)]) -> Books {
        let handled = handled(folder);
        Books {
            published: published.iter().copied().collect(),
            once: handled.iter().copied().collect(),
            handled,
        }
    }

    pub(super) fn published(&self) -> usize {
        self.published.len()
    }

    pub(super) fn handled(&self) -> usize {
        self.handled.len()
    }

    pub(super) fn lost(&self) -> usize {
        self.published.difference(&self.once).count()
    }

    pub(super) fn twice(&self) -> usize {
        self.handled.len() - self.once.len()
    }

    /// How many came for the first time after a later one of their key.
    pub(super) fn out_of_order(&self) -> usize {
        overtaken(&self.handled).len()
    }

    /// What was handled and is far from anything that was published: a number is made of its key.
    pub(super) fn unknown(&self) -> usize {
        let is_one =
            |(key, number): &&(u64, u64)| number >> 40 == key >> 8 && number & 0xFF == key & 0xFF;
        self.once.iter().filter(|it| !is_one(it)).count()
    }

    /// What is wrong, number by number.
    pub(super) fn wrong(&self) -> String {
        let lost: Vec<_> = self.published.difference(&self.once).take(20).collect();
        let overtaken = overtaken(&self.handled);
        let overtaken: Vec<_> = overtaken.iter().take(20).collect();
        format!("lost (key, number): {lost:?}\nout of order: {overtaken:?}")
    }
}
