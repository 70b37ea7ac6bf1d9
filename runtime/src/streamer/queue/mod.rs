//! What waits for subscribers inside the process: the one queue under [`Memory`], under polled
//! streamers and under what is pushed at the service.
//!
//! A [`Topic`] gives every message to every [`Group`]. A group has a [`Line`] for each stream,
//! and shares its lines among its subscribers. Locks are taken in this order, topic before group,
//! and never held across an `await`.
//!
//! [`Memory`]: crate::streamers::Memory
//! [`Line`]: line::Line

#![cfg_attr(
    not(feature = "memory"),
    allow(dead_code, unused_imports, reason = "only `Memory` needs all of it")
)]

mod assignment;
mod group;
mod line;
mod recall;
mod receipt;
mod refusal;
mod subscription;
#[cfg(any(feature = "kafka", feature = "amqp"))]
mod tenure;
mod topic;
mod wakes;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use group::{Ending, Group, GroupOptions, Membership};
pub(crate) use line::Entry;
#[cfg(any(feature = "kafka", feature = "amqp"))]
pub(crate) use receipt::{Keeper, Ticket};
pub(crate) use receipt::{Pending, Receipt};
pub(crate) use refusal::Refusal;
pub(crate) use subscription::Subscription;
pub(crate) use topic::{Refused, Topic};

/// Locks; what a panicking thread left is whole, for no state here is changed across user code.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
