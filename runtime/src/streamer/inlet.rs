//! Doors into subscriptions from within the process: for what a stranger pushes at the service,
//! and for handlers that hear the service's own events.

use std::future::pending;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use arcstr::ArcStr;

use super::queue::{Ending, GroupOptions, Membership, Pending, Refusal, Topic};
use super::{Deliveries, Outgoing, StreamError};
use crate::event::Message;

pub(crate) use super::queue::Receipt;

/// One stream of messages, given to each of its doors.
///
/// A delivery that is released does not come again, and the receipt says so: whoever pushed
/// repeats.
pub(crate) struct Inlet(Topic);

impl Inlet {
    pub(crate) fn new(stream: ArcStr) -> Self {
        Inlet(Topic::with_streams(Arc::new([stream])))
    }

    /// Opens a door that holds so many messages: one for each handler, before the first push.
    ///
    /// Once one door is dropped, pushing is an error: what not all handlers get is not taken.
    pub(crate) fn open(&self, max_in_flight: NonZeroUsize) -> Deliveries {
        let options = GroupOptions {
            capacity: max_in_flight,
            ending: Ending::Refuses,
            redeliver: false,
            recalls: false,
        };
        let membership = Membership {
            max_in_flight,
            handle: 0,
        };
        Box::pin(self.0.subscribe(None, options, membership))
    }

    /// Gives every message to every door, each to all of them or none, in one order. Waits while
    /// a door is full, no longer than `patience`; after an error, the first ones may have been
    /// given.
    pub(crate) async fn push(
        &self,
        messages: Vec<Message>,
        patience: Duration,
    ) -> Result<Receipt, StreamError> {
        let mut batch: Vec<_> = messages.into_iter().map(Outgoing::new).collect();
        let (pushed, receipt) = Pending::new();
        self.0
            .publish(&mut batch, Some(&pushed), patience, pending())
            .await
            .map_err(|refused| error(&refused.why, patience))?;
        Ok(receipt)
    }
}

/// Why a push was refused, for the operator.
fn error(why: &Refusal, patience: Duration) -> StreamError {
    StreamError::new(match why {
        Refusal::Full(full) | Refusal::Abandoned(full) => format!(
            "a handler has been busy for {patience:?} with the {} events that it may have in \
             flight: make it faster, or let it have more",
            full.capacity,
        ),
        Refusal::Ended | Refusal::Closed => {
            "the service is shutting down and takes no more events".to_owned()
        }
    })
}

#[cfg(test)]
mod tests;
