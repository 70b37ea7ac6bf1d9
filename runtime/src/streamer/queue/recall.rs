//! What was given out and is to come back, as far as nobody has begun it.

use std::collections::VecDeque;

use super::group::Group;
use super::line::Line;
use super::locked;
use crate::streamer::Position;

/// Which messages of a group may still be begun, by their arrival.
#[derive(Default)]
pub(super) struct Recall {
    /// The last that was begun.
    begun: u64,
    /// The last that may be, while the others are to come back.
    last: Option<u64>,
}

impl Recall {
    /// Whether this one may be begun, which it then is.
    pub(super) fn begins(&mut self, arrival: u64) -> bool {
        let may = self.last.is_none_or(|last| arrival <= last);
        if may {
            self.begun = self.begun.max(arrival);
        }
        may
    }

    /// From now on only what stands before something that was begun: so what is done has no gaps.
    pub(super) fn start(&mut self) {
        self.last = Some(self.begun);
    }

    /// From now on nothing, and nothing again.
    pub(super) fn start_at_once(&mut self) {
        self.last = Some(0);
    }

    pub(super) fn end(&mut self) {
        self.last = None;
    }

    pub(super) fn is_on(&self) -> bool {
        self.last.is_some()
    }
}

impl Group {
    /// Takes back what nobody has begun, but for what stands before something that somebody has:
    /// it is not delivered again, and its receipt says that it is not acknowledged.
    pub(crate) fn recall(&self) {
        self.take_back(Recall::start);
    }

    /// Takes back everything: what is under way is not tried again either.
    pub(crate) fn revoke(&self) {
        self.take_back(Recall::start_at_once);
    }

    fn take_back(&self, start: fn(&mut Recall)) {
        let mut dropped = Vec::new();
        let mut state = locked(&self.state);
        start(&mut state.recall);
        dropped.extend(state.lines.iter_mut().map(Line::clear));
        state.held -= dropped.iter().map(VecDeque::len).sum::<usize>();
    }

    /// Recalls nothing any more.
    pub(crate) fn resume(&self) {
        locked(&self.state).recall.end();
    }

    /// Takes back one stream: what waits in it is dropped, and what is in flight is neither begun
    /// nor tried again.
    #[cfg_attr(not(feature = "amqp"), allow(dead_code))]
    pub(crate) fn revoke_stream(&self, stream: usize) {
        self.revoke_first(std::iter::once(stream), |_| true);
    }

    /// Takes back the first of these streams of which nothing is in flight.
    #[cfg_attr(not(feature = "amqp"), allow(dead_code))]
    pub(crate) fn revoke_idle(&self, streams: impl Iterator<Item = usize>) -> Option<usize> {
        self.revoke_first(streams, |line| !line.is_in_flight())
    }

    #[cfg_attr(not(feature = "amqp"), allow(dead_code))]
    fn revoke_first(
        &self,
        mut streams: impl Iterator<Item = usize>,
        is_meant: fn(&Line) -> bool,
    ) -> Option<usize> {
        let mut state = locked(&self.state);
        let stream = streams.find(|stream| is_meant(&state.lines[*stream]))?;
        let line = &mut state.lines[stream];
        line.is_revoked = true;
        let dropped = line.clear();
        state.held -= dropped.len();
        // Before the tickets tell of it.
        drop(state);
        drop(dropped);
        Some(stream)
    }

    /// Lets a stream that was taken back be filled anew.
    #[cfg_attr(not(feature = "amqp"), allow(dead_code))]
    pub(crate) fn resume_stream(&self, stream: usize) {
        locked(&self.state).lines[stream].resume();
    }

    /// Whether a delivery may be begun, which it then is.
    pub(super) fn begins(&self, stream: usize, position: &Position) -> bool {
        if !self.options.recalls {
            return true;
        }
        let mut state = locked(&self.state);
        if state.lines[stream].is_revoked {
            return false;
        }
        match state.lines[stream].arrival(position) {
            Some(arrival) => state.recall.begins(arrival),
            None => true,
        }
    }
}
