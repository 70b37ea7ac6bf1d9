//! From the log to a handler of this service.

use std::any::Any;
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arcstr::{ArcStr, literal};
use futures_util::future::FutureExt;
use futures_util::stream::{FuturesOrdered, StreamExt};
use tokio::sync::Notify;
use tokio::task::coop::unconstrained;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::place::{Pauses, Place, REST, Seat};
use super::wake::Wake;
use super::{Start, Store, StoreError, Which};
use crate::error::words_of;
use crate::event::{Envelope, Message};
use crate::streamer::queue::{
    Ending, Entry, Group, GroupOptions, Membership, Pending, Receipt, Subscription,
};
use crate::streamer::{BoxFuture, Deliveries, Position};

/// All of the log is one stream.
static STREAM: ArcStr = literal!("log");

/// The most events that are read at once.
const PAGE: usize = 256;

/// How many times as many events as may be in flight are done at the most behind one that is not.
const AHEAD: usize = 16;

/// Gives a handler the events of the log, and remembers how far it came.
pub(crate) struct Feed {
    store: Arc<dyn Store>,
    cursor: String,
    start: Start,
    of: Which,
    wake: Wake,
    stop: CancellationToken,
    group: Arc<Group>,
    /// Tells when the handler may be given more.
    has_room: Arc<Notify>,
    arrivals: u64,
    /// What was given out, in its order, until all before it is done.
    given: FuturesOrdered<Acknowledged>,
    most_given: usize,
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
        let has_room = Arc::<Notify>::default();
        let room = Arc::clone(&has_room);
        let group = Group::new(None, options, std::slice::from_ref(&STREAM), room);
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
            has_room,
            arrivals: 0,
            given: FuturesOrdered::new(),
            most_given: in_flight.get().saturating_mul(AHEAD),
        };
        (feed, deliveries)
    }

    /// Until it is stopped and what was given out is settled.
    pub(crate) async fn run(mut self) {
        let seat = Seat {
            right: self.cursor.clone(),
            cursors: vec![(self.cursor.clone(), None)],
            start: self.start,
            of: self.of.clone(),
        };
        let mut pauses = Pauses::default();
        loop {
            let taken = Place::take(&self.store, &seat, &self.stop).await;
            let Some(mut place) = taken else { return };
            pauses.begin();
            self.group.resume();
            let fed = AssertUnwindSafe(self.feed(&mut place)).catch_unwind().await;
            if self.is_over(fed) {
                return;
            }
            // What comes next may be what is in hand: it is not to be in hand twice.
            self.take_back().await;
            drop(place);
            let pause = pauses.next();
            if self.stop.run_until_cancelled(sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// Whether nothing more is to be fed; if not, says why it was not.
    fn is_over(&self, fed: Result<Result<Left, StoreError>, Box<dyn Any + Send>>) -> bool {
        let cursor = &self.cursor;
        match fed {
            Ok(Ok(Left::Over)) => return true,
            Ok(Ok(Left::Lost)) => tracing::warn!(
                cursor,
                "the cursor was set, or the right to it is lost, to another instance or with its connection: it is asked for again, and read on from where it is"
            ),
            Ok(Ok(Left::GivenBack)) => {
                tracing::info!(cursor, "another instance is to feed its handler");
            }
            Ok(Err(error)) => {
                tracing::warn!(cursor, %error, "the store fails while a handler is fed from it");
            }
            Err(panic) => {
                let words = words_of(&*panic);
                tracing::error!(
                    cursor,
                    "the store has panicked while a handler is fed from it ({words}); it is tried again"
                );
            }
        }
        false
    }

    /// Feeds the handler until its cursor is another's, or there is nothing more to do.
    async fn feed(&mut self, place: &mut Place) -> Result<Left, StoreError> {
        let ownership = Arc::clone(&place.ownership);
        let mut waking = self.wake.listen();
        let mut is_empty = false;
        while !self.stop.is_cancelled() && !ownership.is_asked_back() {
            if ownership.is_lost() {
                return Ok(Left::Lost);
            }
            let room = self.room();
            if room > 0 && !is_empty {
                waking.forget();
                let page = place.next(room).await?;
                is_empty = page.events.is_empty();
                if !is_empty {
                    self.push(page.events);
                } else if self.given.is_empty() && !place.passed(page.up_to).await? {
                    return Ok(Left::Lost);
                }
                continue;
            }
            tokio::select! {
                biased;
                () = ownership.lost() => return Ok(Left::Lost),
                Some(first) = self.given.next(), if !self.given.is_empty() => {
                    if let Some(left) = note(first, &mut self.given, place).await? {
                        return Ok(left);
                    }
                }
                () = self.has_room.notified(), if room == 0 => {}
                () = waking.woken(), if is_empty => is_empty = false,
                () = sleep(REST), if is_empty && self.given.is_empty() => {
                    if !place.rest().await? {
                        return Ok(Left::Lost);
                    }
                }
                () = ownership.asked_back() => {}
                () = self.stop.cancelled() => {}
            }
        }
        self.finish(place).await
    }

    /// How many events the handler may be given now.
    fn room(&self) -> usize {
        // Those behind one that takes long are done, and wait for it.
        if self.given.len() >= self.most_given {
            return 0;
        }
        self.group.free_or_tell().min(PAGE)
    }

    /// What the handler has begun is finished, or given up, by the worker: then its receipt is
    /// there. Where another instance is to go on, the rest comes back.
    async fn finish(&mut self, place: &mut Place) -> Result<Left, StoreError> {
        let ownership = Arc::clone(&place.ownership);
        let is_asked_back = ownership.is_asked_back();
        if is_asked_back {
            self.group.recall();
        }
        let mut came_back = false;
        loop {
            let first = tokio::select! {
                biased;
                () = ownership.lost() => return Ok(Left::Lost),
                first = self.given.next() => first,
            };
            let Some(first) = first else { break };
            if came_back {
                continue;
            }
            match note(first, &mut self.given, place).await? {
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

    /// Ends what was given out: nothing of it is begun or tried again, and what is under way is
    /// waited for.
    async fn take_back(&mut self) {
        self.group.revoke();
        while self.given.next().await.is_some() {}
    }

    fn push(&mut self, events: Vec<(u64, Envelope)>) {
        let mut entries = Vec::with_capacity(events.len());
        for (position, event) in events {
            let (pending, receipt) = Pending::new();
            self.given.push_back(acknowledgement(position, receipt));
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
