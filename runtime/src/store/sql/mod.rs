//! What the stores in SQL share.

mod failure;
mod fault;
mod group;
mod letter;
mod migrate;

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::{Entry, Mark, Page, StoreError, StoreFuture};
use crate::event::Envelope;
use crate::event::cloudevents::structured;

#[cfg(feature = "postgres")]
pub(super) use failure::LONGEST;
pub(super) use failure::{Failure, Place, bounded};
pub(super) use group::{Done, Group, Writer};
pub(super) use letter::{read_letter, write_letter};
pub(super) use migrate::{TABLE, is_current, migrate, migrator};

/// How long a call waits for a connection, or for a lock, before it fails.
pub(super) const WAIT: Duration = Duration::from_secs(10);

/// How many rows are pruned at once, so that nobody waits long for it.
pub(super) const PRUNED_AT_ONCE: i64 = 5_000;

/// Prunes until a batch finds less than it could.
pub(super) async fn in_batches<'a>(
    batch: impl Fn() -> StoreFuture<'a, u64> + Send,
) -> Result<u64, StoreError> {
    let mut pruned = 0;
    loop {
        let done = batch().await?;
        pruned += done;
        if done < PRUNED_AT_ONCE.unsigned_abs() {
            return Ok(pruned);
        }
    }
}

/// A number that SQL can hold: what is beyond is as good as the greatest there is.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that SQL held: none that we write is negative.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// The most rows to read.
pub(super) fn limit(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}

/// Microseconds since 1970.
pub(super) fn micros(time: SystemTime) -> i64 {
    let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => micros(since),
        Err(before) => -micros(before.duration()),
    }
}

/// An event as it stands in a table.
pub(super) struct EventRow {
    pub(super) name: String,
    pub(super) key: Option<String>,
    pub(super) id: String,
    pub(super) source: String,
    pub(super) event: String,
}

impl EventRow {
    pub(super) fn of(event: &Envelope) -> Self {
        EventRow {
            name: event.kind().to_owned(),
            key: event.key().map(str::to_owned),
            id: event.id().to_string(),
            source: event.source().to_owned(),
            event: structured::to_exact_json(event),
        }
    }
}

/// An entry as it stands in tables.
pub(super) struct Rows {
    pub(super) mark: Option<Mark>,
    pub(super) events: Vec<EventRow>,
}

impl Rows {
    pub(super) fn of(entry: &Entry) -> Self {
        Rows {
            mark: entry.mark.clone(),
            events: entry.events.iter().map(EventRow::of).collect(),
        }
    }
}

/// A page of rows, which were read after `last` was: that was then the last position of the log.
pub(super) fn page(
    rows: Vec<(i64, String)>,
    after: u64,
    max: usize,
    last: u64,
) -> Result<Page, Failure> {
    let read = |(position, json): (i64, String)| {
        let event = structured::from_json(&Bytes::from(json));
        let event = event.map_err(|error| {
            let fault = format!("the event at position {position} cannot be read: {error}");
            Failure::Said(fault)
        })?;
        Ok((unsigned(position), event))
    };
    let events: Vec<_> = rows.into_iter().map(read).collect::<Result<_, Failure>>()?;
    let up_to = match events.last() {
        _ if max == 0 => after,
        Some((position, _)) if events.len() >= max => *position,
        // What was appended after `last` was read may be among the rows.
        Some((position, _)) => last.max(*position),
        None => last.max(after),
    };
    Ok(Page { events, up_to })
}
