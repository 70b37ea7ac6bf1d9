//! What a behaviour that does not hold has to say.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// What was expected, what came instead, and after how long.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    expected: String,
    came: String,
    after: Duration,
}

impl Failure {
    /// What should have been.
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// What was instead.
    pub fn came(&self) -> &str {
        &self.came
    }

    /// How long after the start of the test.
    pub fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure {
            expected,
            came,
            after,
        } = self;
        write!(f, "expected {expected}; came {came}, after {after:.1?}")
    }
}

/// As [`Display`](fmt::Display), since a test that returns an error shows it so.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for Failure {}

/// How many times its patience a whole test may take.
const STEPS: u32 = 10;

/// The time that a test has.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    pub(super) start: Instant,
    pub(super) patience: Duration,
    pub(super) quiet: Duration,
}

impl Clock {
    pub(super) fn fail(&self, expected: impl Into<String>, came: impl Into<String>) -> Failure {
        Failure {
            expected: expected.into(),
            came: came.into(),
            after: self.start.elapsed(),
        }
    }

    /// Waits no longer than its patience. A test of which every step comes in time, and none is the
    /// last, has an end here, too.
    pub(super) async fn wait<T>(
        &self,
        expected: &str,
        what: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        if self.start.elapsed() > self.patience.saturating_mul(STEPS) {
            return Err(self.fail(expected, "more and more, without an end"));
        }
        let waited = timeout(self.patience, what).await;
        waited.map_err(|_| self.fail(expected, format!("nothing in {:?}", self.patience)))
    }
}
