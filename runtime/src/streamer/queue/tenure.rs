//! Streams that come and go: partitions that are shared out among instances.

#[cfg(feature = "kafka")]
use arcstr::ArcStr;

use super::group::Group;
#[cfg(feature = "kafka")]
use super::line::Line;
use super::line::Tenure;
use super::locked;
#[cfg(feature = "kafka")]
use super::wakes::Wakes;

impl Group {
    /// One more stream; its number.
    #[cfg(feature = "kafka")]
    pub(crate) fn add_stream(&self, name: ArcStr) -> usize {
        let mut wakes = Wakes::default();
        let mut state = locked(&self.state);
        state.lines.push(Line::new(name));
        state.assign(&mut wakes);
        let number = state.lines.len() - 1;
        drop(state);
        wakes.wake();
        number
    }

    /// Begins to give a stream away: what waits of it is dropped, nothing of it is begun any more,
    /// and what was begun may still be acknowledged.
    pub(crate) fn leave_stream(&self, stream: usize) {
        self.end_tenure(stream, Tenure::Leaving);
    }

    /// As [`leave_stream`](Group::leave_stream), the first of these of which nothing is in flight.
    #[cfg(feature = "amqp")]
    pub(crate) fn leave_idle(&self, mut streams: impl Iterator<Item = usize>) -> Option<usize> {
        let mut state = locked(&self.state);
        let stream = streams.find(|stream| state.lines[*stream].is_idle())?;
        let dropped = state.lines[stream].end(Tenure::Leaving);
        state.held -= dropped.len();
        drop(state);
        drop(dropped);
        Some(stream)
    }

    /// A stream is another's: what was in flight is not acknowledged any more. What is pushed to it
    /// from now on is delivered when nothing of that is left.
    pub(crate) fn lose_stream(&self, stream: usize) {
        self.end_tenure(stream, Tenure::Gone);
    }

    fn end_tenure(&self, stream: usize, tenure: Tenure) {
        let mut state = locked(&self.state);
        let dropped = state.lines[stream].end(tenure);
        state.held -= dropped.len();
        drop(state);
        drop(dropped);
    }
}
