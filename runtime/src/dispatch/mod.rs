//! From a subscription's deliveries to a handler and back to the acknowledgement.
//!
//! ```text
//! delivery -> heard? -> attempt, pause, attempt, ... -> publish what it announced -> acknowledge
//!               |                      `-> dead letters with reason and bytes    -> acknowledge
//!               `-> acknowledge, counted as ignored
//! attempt: look up what it is written by -> decode -> layers -> extract -> handler
//! ```
//!
//! One subscription is one task ([`Worker`]). Whatever happens to it, a delivery is acknowledged
//! only when it is handled (now, or before, where the handler deduplicates), ignored, expired or
//! safe among the dead letters; everything else releases it.

mod agenda;
mod attempts;
mod batch;
mod call;
mod context;
mod counts;
mod dead_letters;
mod inbox;
mod lanes;
mod layer;
mod observer;
mod policy;
#[cfg(feature = "avro")]
mod readable;
mod replay;
mod steps;
mod subscription;
mod worker;

pub use context::{BatchCall, Context, Handle, Outcome, Staged};
pub use counts::Counts;
pub use layer::{Call, CallService, Called, HandlerService};
pub use policy::{BatchPolicy, Policy, RetryOrder};
pub use subscription::{GroupName, Hears, Subscription};

pub(crate) use context::{States, Supplies};
pub(crate) use counts::Counters;
pub(crate) use dead_letters::{BESIDE as BESIDE_DEAD_LETTERS, DeadLetters};
pub(crate) use inbox::{Inbox, Marks};
pub(crate) use observer::{About, Observer};
pub(crate) use worker::Worker;
