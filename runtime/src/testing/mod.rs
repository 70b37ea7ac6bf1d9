//! What proves that something keeps its promises: a service, or a streamer.

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod outside;
#[cfg(feature = "testing")]
mod test_app;

#[cfg(feature = "testing")]
pub use test_app::{Attempt, DeadLetter, TestApp};
