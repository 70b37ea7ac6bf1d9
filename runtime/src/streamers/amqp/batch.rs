//! A batch of events that is being published.

use std::collections::{HashSet, VecDeque};

use lapin::message::BasicReturnMessage;
use lapin::types::ShortString;

use super::names;
use crate::event::Message;
use crate::streamer::{Outgoing, StreamError};

/// A batch on its way.
pub(super) struct Batch<'a> {
    pub(super) topic: &'a str,
    pub(super) exchange: ShortString,
    pub(super) outgoing: &'a mut [Outgoing],
    /// Those that are reported because the broker cannot take them.
    pub(super) refused: Vec<bool>,
    /// All before this one are reported.
    pub(super) next: usize,
    /// The keys of what has failed: what comes behind it fails too.
    pub(super) failed_keys: HashSet<Vec<u8>>,
    /// Whether one is sent at a time: the broker closes the channel over one of them, and does not
    /// say which.
    one_by_one: bool,
}

impl<'a> Batch<'a> {
    pub(super) fn new(topic: &'a str, outgoing: &'a mut [Outgoing]) -> Result<Self, StreamError> {
        Ok(Batch {
            topic,
            exchange: names::exchange(topic)?,
            refused: vec![false; outgoing.len()],
            outgoing,
            next: 0,
            failed_keys: HashSet::new(),
            one_by_one: false,
        })
    }

    /// Where what is sent now ends.
    pub(super) fn end(&self) -> usize {
        let all = self.outgoing.len();
        if self.one_by_one {
            all.min(self.next + 1)
        } else {
            all
        }
    }

    /// The broker refuses one of those sent. Sent alone, it is reported; else it is looked for.
    pub(super) fn refuse_or_part(&mut self, error: &StreamError) {
        if self.end() - self.next > 1 {
            self.one_by_one = true;
            return;
        }
        if let Some(outgoing) = self.outgoing.get_mut(self.next) {
            outgoing.report(Err(StreamError::refused(error.to_string())));
            self.refused[self.next] = true;
            self.next += 1;
        }
    }

    /// Reports an error for all that are not reported.
    pub(super) fn fail(&mut self, error: &str) {
        let rest = self.outgoing.iter_mut().zip(&self.refused).skip(self.next);
        for (outgoing, _) in rest.filter(|(_, is_refused)| !**is_refused) {
            outgoing.report(Err(StreamError::new(error)));
        }
    }
}

pub(super) fn report_all(batch: &mut [Outgoing], error: &str) {
    for outgoing in batch {
        outgoing.report(Err(StreamError::new(error)));
    }
}

/// Whether it is among what came back, which is mostly in order. What does not differ in what is
/// looked at is routed alike.
pub(super) fn take_back(returned: &mut VecDeque<BasicReturnMessage>, message: &Message) -> bool {
    if returned.is_empty() {
        return false;
    }
    let id = message.event().map(|event| event.id().to_string());
    let is_it = |back: &BasicReturnMessage| match (&id, back.properties.message_id()) {
        (Some(id), Some(back)) => id == back.as_str(),
        _ => back.data == message.payload()[..],
    };
    let at = returned.iter().position(is_it);
    at.and_then(|at| returned.remove(at)).is_some()
}
