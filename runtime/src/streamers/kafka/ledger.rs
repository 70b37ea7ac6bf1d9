//! What of one partition is done: what may be committed.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::sync::{Arc, Mutex};

use super::hand::Hand;
use crate::streamer::queue::{Keeper, locked};

/// The account of one partition while it is ours.
///
/// What is committed is the offset below which all is done. What is done above it, and how many
/// attempts were made at what is not, goes along as the commit's metadata: whoever has the
/// partition next neither repeats the one nor forgets the other.
pub(super) struct Ledger {
    hand: Arc<Hand>,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    /// What was given out, from the first on that is not done.
    given: VecDeque<Given>,
    /// How many are neither acknowledged nor given back.
    open: usize,
    /// Behind the last one that was given out.
    next: Option<u64>,
    /// What was done by others before.
    before: Before,
    /// Whether there is something new to commit.
    is_changed: bool,
    /// Whether anything was committed.
    is_committed: bool,
}

struct Given {
    offset: u64,
    attempts: u32,
    is_done: bool,
}

/// What becomes of a message that comes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is to be handled; so many attempts were made at it.
    New { attempts: u32 },
    /// It was done before.
    Done,
}

impl Ledger {
    /// From this commit on, if there is one.
    pub(super) fn new(hand: Arc<Hand>, commit: Option<(u64, &str)>) -> Arc<Self> {
        let before = commit.map(|(offset, metadata)| Before::read(offset, metadata));
        let book = Book {
            next: commit.map(|(offset, _)| offset),
            before: before.unwrap_or_default(),
            ..Book::default()
        };
        Arc::new(Ledger {
            hand,
            book: Mutex::new(book),
        })
    }

    /// Messages have come, at these offsets: what becomes of each, up to one that goes backwards.
    /// There the partition begins anew, and is not the one that the ledger is about.
    pub(super) fn arrived(&self, offsets: impl Iterator<Item = u64>) -> Vec<Arrival> {
        let mut book = locked(&self.book);
        offsets.map_while(|offset| book.arrived(offset)).collect()
    }

    /// How many are given out, or done behind one that is not.
    pub(super) fn len(&self) -> usize {
        locked(&self.book).given.len()
    }

    /// Whether nobody has any of it: all that is done is entered.
    pub(super) fn is_idle(&self) -> bool {
        locked(&self.book).open == 0
    }

    /// What is to be committed, if that has changed. `position` is where the client reads on: behind
    /// what is no message.
    pub(super) fn commit(&self, position: impl FnOnce() -> Option<u64>) -> Option<(u64, String)> {
        let mut book = locked(&self.book);
        if !std::mem::take(&mut book.is_changed) {
            return None;
        }
        book.is_committed = true;
        match book.given.front() {
            Some(first) => {
                let offset = first.offset;
                Some((offset, book.metadata(offset)))
            }
            None => Some((book.next?.max(position().unwrap_or(0)), String::new())),
        }
    }

    /// What was committed may not have been. What others committed stays, with their notes.
    pub(super) fn commit_again(&self) {
        let mut book = locked(&self.book);
        book.is_changed |= book.is_committed;
    }
}

impl Keeper for Ledger {
    fn released(&self, number: u64, attempts: u32) {
        let mut book = locked(&self.book);
        if let Some(given) = book.find(number)
            && given.attempts != attempts
        {
            given.attempts = attempts;
            book.is_changed = true;
        }
    }

    fn settled(&self, number: u64, acknowledged: bool) {
        let mut book = locked(&self.book);
        book.open -= 1;
        if acknowledged && let Some(given) = book.find(number) {
            given.is_done = true;
            book.settle();
        }
        drop(book);
        self.hand.put_down();
    }
}

impl Book {
    fn arrived(&mut self, offset: u64) -> Option<Arrival> {
        if self.next.is_some_and(|next| offset < next) {
            return None;
        }
        self.next = Some(offset + 1);
        let is_done = self.before.is_done(offset);
        let attempts = self.before.attempts.remove(&offset).unwrap_or(0);
        self.given.push_back(Given {
            offset,
            attempts,
            is_done,
        });
        if is_done {
            self.settle();
            return Some(Arrival::Done);
        }
        self.open += 1;
        Some(Arrival::New { attempts })
    }

    fn find(&mut self, offset: u64) -> Option<&mut Given> {
        let at = self.given.partition_point(|given| given.offset < offset);
        let given = self.given.get_mut(at);
        given.filter(|given| given.offset == offset)
    }

    fn settle(&mut self) {
        self.is_changed = true;
        while self.given.pop_front_if(|first| first.is_done).is_some() {}
    }

    /// As much as there is room for: attempts first, then what is done. Offsets count from the one
    /// that is committed.
    fn metadata(&self, base: u64) -> String {
        let mut text = String::from(MARK);
        let open = self.given.iter().filter(|given| !given.is_done);
        for given in open.filter(|given| given.attempts > 0) {
            let _ = write!(text, " {}*{}", given.offset - base, given.attempts);
        }
        let mut done = self.given.iter().filter(|given| given.is_done).peekable();
        while let Some(first) = done.next()
            && text.len() < MOST
        {
            let mut last = first.offset;
            while let Some(next) = done.next_if(|next| next.offset == last + 1) {
                last = next.offset;
            }
            let _ = write!(text, " {}-{}", first.offset - base, last - base);
        }
        if text.len() > MOST {
            text.truncate(MOST);
            text.truncate(text.rfind(' ').unwrap_or(0));
        }
        if text == MARK { String::new() } else { text }
    }
}

/// How the metadata of our commits begins.
const MARK: &str = "fanfare-1";

/// Brokers take 4096 bytes, if not told otherwise.
const MOST: usize = 4_000;

/// What a commit says of what stands behind it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Before {
    /// First and last of what is done.
    done: VecDeque<(u64, u64)>,
    attempts: BTreeMap<u64, u32>,
}

impl Before {
    /// Reads metadata; what is not ours says nothing.
    fn read(base: u64, metadata: &str) -> Self {
        let mut before = Before::default();
        let Some(parts) = metadata.strip_prefix(MARK) else {
            return before;
        };
        for part in parts.split_ascii_whitespace() {
            if let Some((offset, attempts)) = part.split_once('*') {
                if let (Ok(offset), Ok(attempts)) = (offset.parse::<u64>(), attempts.parse()) {
                    before
                        .attempts
                        .insert(base.saturating_add(offset), attempts);
                }
            } else if let Some((first, last)) = part.split_once('-')
                && let (Ok(first), Ok(last)) = (first.parse::<u64>(), last.parse::<u64>())
            {
                let done = (base.saturating_add(first), base.saturating_add(last));
                before.done.push_back(done);
            }
        }
        before
    }

    /// Offsets are asked for in their order.
    fn is_done(&mut self, offset: u64) -> bool {
        while self.done.pop_front_if(|(_, last)| *last < offset).is_some() {}
        self.done.front().is_some_and(|(first, _)| *first <= offset)
    }
}

#[cfg(test)]
mod tests;
