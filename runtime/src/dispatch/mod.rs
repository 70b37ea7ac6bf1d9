//! From a subscription's deliveries to a handler and back to the acknowledgement.
//!
//! ```text
//! delivery -> heard? -> attempt, pause, attempt, ... -> publish what it announced -> acknowledge
//!               |                      `-> dead letters with reason and bytes    -> acknowledge
//!               `-> acknowledge, counted as ignored
//! ```
//!
//! One subscription is one task ([`Worker`]). Whatever happens to it, a delivery is acknowledged
//! only when it is handled, ignored or safe among the dead letters; everything else releases it.

mod attempts;
mod context;
mod counts;
mod dead_letters;
mod lanes;
mod observer;
mod policy;
mod subscription;
mod worker;

pub use context::{Context, Failure, Handle, Outcome};
pub use counts::Counts;
pub use policy::{Policy, RetryOrder};
pub use subscription::{GroupName, Hears, Subscription};

pub(crate) use attempts::words_of;
pub(crate) use context::States;
pub(crate) use counts::Counters;
pub(crate) use dead_letters::DeadLetters;
pub(crate) use observer::{About, Observer};
pub(crate) use worker::Worker;
