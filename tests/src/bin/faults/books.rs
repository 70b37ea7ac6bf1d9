//! What became of each number.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use fanfare::Result;

/// The file of what was handled, with lines of a key and a number.
pub(super) const HANDLED: &str = "handled";

pub(super) fn appending(folder: &Path, name: &str) -> Result<File> {
    let path = folder.join(name);
    Ok(OpenOptions::new().create(true).append(true).open(path)?)
}

/// Writes a line. The one before may have been cut off by a kill, so this begins by ending it; and
/// a line counts with its end.
pub(super) fn note(mut file: &File, key: u64, number: u64) -> Result<()> {
    Ok(file.write_all(format!("\n{key} {number}.").as_bytes())?)
}

/// A line, if it is whole.
pub(super) fn read(line: &str) -> Option<(u64, u64)> {
    let (key, number) = line.strip_suffix('.')?.split_once(' ')?;
    Some((key.parse().ok()?, number.parse().ok()?))
}

/// What was handled so far.
pub(super) fn handled(folder: &Path) -> Vec<(u64, u64)> {
    // A file that is not there yet holds nothing.
    let text = std::fs::read_to_string(folder.join(HANDLED)).unwrap_or_default();
    text.lines().filter_map(read).collect()
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
        self.overtaken().len()
    }

    fn overtaken(&self) -> Vec<(u64, u64)> {
        let mut seen = BTreeSet::new();
        let mut last = BTreeMap::new();
        let mut wrong = Vec::new();
        for &(key, number) in &self.handled {
            if seen.insert((key, number)) {
                let last = last.entry(key).or_insert(0);
                if number < *last {
                    wrong.push((key, number));
                }
                *last = (*last).max(number);
            }
        }
        wrong
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
        let overtaken = self.overtaken();
        let overtaken: Vec<_> = overtaken.iter().take(20).collect();
        format!("lost (key, number): {lost:?}\nout of order: {overtaken:?}")
    }
}
