//! Running until there is nothing left to do.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use tokio::time::timeout;

use super::record::{Entry, Unfinished, when};
use super::seen::{At, Named};
use super::{TestApp, report};
use crate::error::{Error, Result};

/// How long it may take, where the test says nothing: on virtual time, and on real time.
const LIMIT: Duration = Duration::from_hours(1);
const REAL_LIMIT: Duration = Duration::from_mins(1);

/// How many attempts it may take.
const MOST_ATTEMPTS: usize = 100_000;

/// How much an error shows of what there may be a lot of.
const SHOWN: usize = 10;

impl TestApp {
    /// Runs until nothing waits for a handler and none is at work, [within](TestApp::settle_within)
    /// an hour of virtual time; or a minute, where the app was
    /// [started in real time](TestApp::start_in_real_time).
    ///
    /// # Errors
    /// As [`settle_within`](TestApp::settle_within).
    pub async fn settle(&self) -> Result<()> {
        self.settle_within(if self.real_time { REAL_LIMIT } else { LIMIT })
            .await
    }

    /// Runs until nothing waits for a handler and none is at work: all that was published or
    /// delivered, and all that handlers published meanwhile, is handled or a dead letter. Pauses
    /// before a next attempt are part of it; on virtual time they take no time.
    ///
    /// It waits for handlers, not for tasks that you have spawned yourself.
    ///
    /// # Errors
    /// When there is still something to do after this time, or after 100,000 attempts, as two
    /// handlers cause that publish to each other. The error names the handlers and their events.
    pub async fn settle_within(&self, limit: Duration) -> Result<()> {
        let most = self.record.attempts().saturating_add(MOST_ATTEMPTS);
        let settled = when(&self.record, || {
            let attempts = self.record.attempts();
            // What is published counts before the attempt that does it: where none has ended
            // meanwhile, nothing went from what is not counted yet to what was.
            if self.unsettled() == 0 && self.record.attempts() == attempts {
                Some(Ok(()))
            } else if attempts >= most {
                Some(Err(Error::msg(self.endless())))
            } else {
                None
            }
        });
        let settled = timeout(limit, settled).await;
        settled.unwrap_or_else(|_| Err(Error::msg(self.stuck(limit))))
    }

    fn unsettled(&self) -> usize {
        let streamed = self
            .streamers
            .iter()
            .map(|streamer| streamer.unacknowledged());
        self.running.own_unsettled() + streamed.sum::<usize>()
    }

    /// Who is not done when the time is over.
    fn stuck(&self, limit: Duration) -> String {
        let service = &self.running.topology().service;
        let time = if self.real_time {
            ""
        } else {
            " of virtual time"
        };
        let mut said = format!("`{service}` did not settle within {limit:?}{time}");
        let unfinished = self.record.unfinished();
        for unfinished in unfinished.iter().take(SHOWN) {
            let _ = write!(said, "\n  {}", still(unfinished));
        }
        if let Some(more @ 1..) = unfinished.len().checked_sub(SHOWN) {
            let _ = write!(said, "\n  and {more} more that were tried");
        }
        let waiting = self.unsettled().saturating_sub(unfinished.len());
        if waiting > 0 {
            let _ = write!(said, "\n  {waiting} more that wait");
        }
        if !self.real_time {
            said.push_str(
                "\nThe clock jumps while a handler waits for something outside of the program: for that there is `TestApp::start_in_real_time`.",
            );
        }
        said
    }

    /// Who keeps it going.
    fn endless(&self) -> String {
        let service = &self.running.topology().service;
        let mut said = format!(
            "`{service}` did not settle: {MOST_ATTEMPTS} attempts were made, and there is more to do. So do handlers that publish to each other, or one that is tried again for ever. The latest attempt of each:"
        );
        let mut last = BTreeMap::new();
        let (_, entries) = self.record.last(usize::MAX);
        for entry in &entries {
            if let Entry::Attempted(attempt) = entry {
                let (count, latest) = last.entry(attempt.handler).or_insert((0, attempt));
                *count += 1;
                *latest = attempt;
            }
        }
        for (count, attempt) in last.values() {
            let at = At(attempt.ended);
            let _ = write!(
                said,
                "\n  {at}  {attempt} ({count} attempts since the start)"
            );
        }
        let (_, latest) = self.record.last(SHOWN);
        said.push_str("\nWhat happened last:\n");
        said.push_str(&report::lines(&latest));
        said
    }
}

fn still(unfinished: &Unfinished) -> String {
    let Unfinished {
        handler,
        message,
        attempt,
        began,
        failed,
        given_up,
    } = unfinished;
    let (message, began) = (Named(message), At(*began));
    let Some((ended, reason)) = failed else {
        return format!("`{handler}` is still in attempt {attempt} at {message}, since {began}");
    };
    let what = if *given_up {
        "to get rid of the dead letter of"
    } else {
        "for another attempt at"
    };
    let ended = At(*ended);
    format!("`{handler}` waits {what} {message}: attempt {attempt} failed at {ended}: {reason}")
}
