//! From the log to a handler of this service.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use arcstr::{ArcStr, literal};
use backon::BackoffBuilder;
use futures_util::future::FutureExt;
use futures_util::stream::{FuturesOrdered, StreamExt};
use tokio::task::coop::unconstrained;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::place::{PAUSES, Place};
use super::wake::Wake;
use super::{Start, Store, StoreError, Which};
use crate::event::{Envelope, Message};
use crate::streamer::queue::{
    Ending, Entry, Group, GroupOptions, Membership, Pending, Receipt, Subscription,
};
use crate::streamer::{BoxFuture, Deliveries, Position};

/// All of the log is one stream.
static STREAM: ArcStr = literal!("log");

/// How often it is looked whether somebody has set the cursor while there is nothing to do.
const LOOK: Duration = Duration::from_secs(1);

/// The most events that are read at once.
const PAGE: usize = 256;

/// Gives a handler the events of the log, and remembers how far it came.
pub(crate) struct Feed {
    store: Arc<dyn Store>,
    cursor: String,
    start: Start,
    of: Which,
    wake: Wake,
    stop: CancellationToken,
    group: Arc<Group>,
    arrivals: u64,
}

/// Resolves when an event, and so all before it, is acknowledged: to its position.
type Acknowledged = BoxFuture<'static, Option<u64>>;

impl Feed {
    /// The feed, to be run, and what it feeds.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        (cursor, start): (String, Start),
        of: Which,
        in_flight: NonZeroUsize,
        (wake, stop): (Wake, CancellationToken),
    ) -> (Self, Deliveries) {
        let options = GroupOptions {
            capacity: in_flight,
            ending: Ending::Refuses,
            redeliver: true,
            recalls: true,
        };
        let membership = Membership {
            max_in_flight: in_flight,
            handle: 0,
        };
        let group = Group::new(None, options, Arc::new([STREAM.clone()]), Arc::default());
        let group = Arc::new(group);
        let deliveries = Box::pin(Subscription::new(Arc::clone(&group), membership));
        let feed = Feed {
            store,
            cursor,
            start,
            of,
            wake,
            stop,
            group,
            arrivals: 0,
        };
        (feed, deliveries)
    }

    /// Until it is stopped and what was given out is settled.
    pub(crate) async fn run(mut self) {
        loop {
            let (start, of) = (self.start, self.of.clone());
            let taken = Place::take(&self.store, &self.cursor, start, of, &self.stop).await;
            let Some(mut place) = taken else { return };
            match self.feed(&mut place).await {
                Ok(Left::Over) => return,
                Ok(Left::Lost) => {
                    tracing::warn!(
                        cursor = self.cursor,
                        "the cursor was set, or another instance has it: reading on from where it is"
                    );
                }
                Ok(Left::GivenBack) => {
                    tracing::info!(
                        cursor = self.cursor,
                        "another instance is to feed its handler"
                    );
                }
                Err(error) => {
                    tracing::warn!(cursor = self.cursor, %error, "the store fails while a handler is fed from it");
                }
            }
            drop(place);
            let pause = PAUSES.build().next().unwrap_or_default();
            if self.stop.run_until_cancelled(sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// Feeds the handler until its cursor is another's, or there is nothing more to do.
    async fn feed(&mut self, place: &mut Place) -> Result<Left, StoreError> {
        self.group.resume();
        let mut waking = self.wake.listen();
        let mut given = FuturesOrdered::<Acknowledged>::new();
        let mut is_empty = false;
        while !self.stop.is_cancelled() && !place.ownership.is_asked_back() {
            if place.ownership.is_lost() {
                return Ok(Left::Lost);
            }
            let room = self.group.free().min(PAGE);
            if room > 0 && !is_empty {
                waking.forget();
                let page = place.next(room).await?;
                is_empty = page.events.is_empty();
                if !is_empty {
                    given.extend(self.push(page.events));
                } else if given.is_empty() && !place.passed(page.up_to).await? {
                    return Ok(Left::Lost);
                }
                continue;
            }
            tokio::select! {
                biased;
                () = place.ownership.lost() => return Ok(Left::Lost),
                Some(first) = given.next(), if !given.is_empty() => {
                    if let Some(left) = note(first, &mut given, place).await? {
                        return Ok(left);
                    }
                }
                () = waking.woken(), if is_empty => is_empty = false,
                () = sleep(LOOK), if is_empty && given.is_empty() => {
                    if !place.stands().await? {
                        return Ok(Left::Lost);
                    }
                }
                () = place.ownership.asked_back() => {}
                () = self.stop.cancelled() => {}
            }
        }
        self.finish(given, place).await
    }

    /// What the handler has begun is finished, or given up, by the worker: then its receipt is
    /// there. Where another instance is to go on, the rest comes back.
    async fn finish(
        &self,
        mut given: FuturesOrdered<Acknowledged>,
        place: &mut Place,
    ) -> Result<Left, StoreError> {
        let is_asked_back = place.ownership.is_asked_back();
        if is_asked_back {
            self.group.recall();
        }
        let mut came_back = false;
        loop {
            let first = tokio::select! {
                biased;
                () = place.ownership.lost() => return Ok(Left::Lost),
                first = given.next() => first,
            };
            let Some(first) = first else { break };
            if came_back {
                continue;
            }
            match note(first, &mut given, place).await? {
                // Behind it nothing was begun.
                Some(Left::Over) if is_asked_back => came_back = true,
                Some(left) => return Ok(left),
                None => {}
            }
        }
        Ok(if self.stop.is_cancelled() {
            Left::Over
        } else {
            Left::GivenBack
        })
    }

    fn push(&mut self, events: Vec<(u64, Envelope)>) -> Vec<Acknowledged> {
        let mut acknowledged = Vec::with_capacity(events.len());
        let mut entries = Vec::with_capacity(events.len());
        for (position, event) in events {
            let (pending, receipt) = Pending::new();
            acknowledged.push(acknowledgement(position, receipt));
            self.arrivals += 1;
            let entry = Entry {
                arrival: self.arrivals,
                position: Position::Number(position),
                message: Message::Event(event),
                attempts: 0,
                ticket: Some(pending.ticket()),
            };
            entries.push((0, entry));
        }
        self.group.push(entries.into_iter());
        acknowledged
    }
}

/// Why the feeding has ended.
enum Left {
    /// The handler takes nothing any more.
    Over,
    /// The cursor was set, or is another's.
    Lost,
    /// Another instance is to have it, and nothing is in flight.
    GivenBack,
}

/// Moves the cursor behind this one, and behind all after it that are done by now. It never passes
/// one that was given back.
async fn note(
    first: Option<u64>,
    given: &mut FuturesOrdered<Acknowledged>,
    place: &mut Place,
) -> Result<Option<Left>, StoreError> {
    let (mut next, mut done) = (Some(first), None);
    while let Some(Some(position)) = next {
        done = Some(position);
        // Unconstrained, or the scheduler's budget would make what is done look undone.
        next = unconstrained(given.next()).now_or_never().flatten();
    }
    if let Some(position) = done
        && !place.done(position).await?
    {
        return Ok(Some(Left::Lost));
    }
    Ok(next.is_some().then_some(Left::Over))
}

fn acknowledgement(position: u64, receipt: Receipt) -> Acknowledged {
    Box::pin(async move { receipt.await.then_some(position) })
}
