//! The moments at which something can be made to die, and what dies then.

use std::sync::atomic::{AtomicU32, Ordering};

use clap::ValueEnum;
use fanfare_tests::{Call, Watch};

/// A part of the scene: a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Part {
    /// What the events are streamed to.
    Broker,
    /// An instance of the service that publishes, and works with nothing that is stored.
    Publisher,
    /// One that only streams what is stored.
    Relay,
    /// One that only handles it.
    Handlers,
    /// One that does it all, as services do.
    Whole,
}

/// A moment at which a part dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Point {
    /// An event is written in a transaction of the user's, which has not committed.
    Within,
    /// An event is stored, and its `publish` has not returned.
    Appended,
    /// The broker has an event, and has not confirmed it.
    Written,
    /// The broker has confirmed events, and the cursor has not moved.
    Streamed,
    /// The cursor has moved.
    Passed,
    /// The mark and what the handler announced are written, and not committed.
    Marked,
    /// They are committed, and nobody has been told.
    Committed,
    /// A handler that does not deduplicate is done, and nothing says so.
    Handled,
    /// The cursor of a handler has moved.
    Acknowledged,
    /// A dead letter is kept, and the cursor of its handler has not moved.
    Buried,
}

impl Point {
    /// What dies.
    pub(super) fn part(self) -> Part {
        match self {
            Point::Written => Part::Broker,
            _ => Part::Whole,
        }
    }
}

/// How often the moment comes before it is the one.
const OFTEN: u32 = 5;

/// What a process does with what is stored, and when it dies.
pub(super) struct Role {
    part: Part,
    point: Option<Point>,
    left: AtomicU32,
}

impl Role {
    pub(super) fn new(part: Part, point: Option<Point>) -> Role {
        Role {
            part,
            point,
            left: AtomicU32::new(OFTEN),
        }
    }

    /// Dies, if this is the moment.
    pub(super) fn at(&self, point: Point) {
        if self.point == Some(point) && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            die();
        }
    }
}

/// The name of the service: the cursors of its handlers begin with it.
pub(super) const SERVICE: &str = "crash";

fn is_a_handlers(cursor: &str) -> bool {
    cursor.starts_with(&format!("{SERVICE}."))
}

impl Watch for Role {
    fn may_own(&self, cursor: &str) -> bool {
        match self.part {
            Part::Broker | Part::Publisher => false,
            Part::Relay => !is_a_handlers(cursor),
            Part::Handlers => is_a_handlers(cursor),
            Part::Whole => true,
        }
    }

    fn asked(&self, call: Call<'_>) {
        match call {
            Call::Advance("crash.count") => self.at(Point::Handled),
            Call::Advance(cursor) if !is_a_handlers(cursor) => self.at(Point::Streamed),
            _ => {}
        }
    }

    fn answered(&self, call: Call<'_>) {
        match call {
            Call::Append(entry) if entry.mark.is_some() => self.at(Point::Committed),
            Call::Append(_) => self.at(Point::Appended),
            Call::Advance(cursor) if is_a_handlers(cursor) => self.at(Point::Acknowledged),
            Call::Advance(_) => self.at(Point::Passed),
            Call::Bury => self.at(Point::Buried),
            Call::IsHandled(_) | Call::Close => {}
        }
    }
}

/// As `kill -9` does it: nothing more is done, by no thread.
pub(super) fn die() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    unreachable!("killed")
}
