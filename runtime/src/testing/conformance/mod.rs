//! The suite that proves a streamer: the one that fanfare's own pass.
//!
//! The traits in [`streamer`](crate::streamer) say what a streamer promises. This suite holds it
//! to its word: most behaviours through nothing but those traits, and what a service makes of them
//! (attempts, dead letters, shutdowns, causes) through an [`App`](crate::App) with handlers, on the
//! streamer. One behaviour a test, each on a runtime of one thread and on one of four. Whoever writes a streamer in a crate of their own needs fanfare with
//! the feature `conformance` among the dev-dependencies, a [`Factory`], and one macro:
//!
#![cfg_attr(feature = "memory", doc = "```")]
#![cfg_attr(not(feature = "memory"), doc = "```ignore")]
//! use std::num::NonZeroUsize;
//!
//! use fanfare::streamer::StreamError;
//! use fanfare::streamers::Memory;
//! use fanfare::testing::conformance::{Capability, Factory};
//!
//! /// One broker, to which a test may connect as often as it likes.
//! struct Memories(Memory);
//!
//! impl Factory for Memories {
//!     type Streamer = Memory;
//!     const CAPABILITIES: &'static [Capability] = &[Capability::Groups, Capability::OrderedByKey];
//!
//!     async fn open() -> Result<Self, StreamError> {
//!         const HELD: NonZeroUsize = NonZeroUsize::new(5_000).expect("not zero");
//!         Ok(Memories(Memory::new().with_capacity(HELD)))
//!     }
//!
//!     fn streamer(&self) -> Memory {
//!         self.0.clone()
//!     }
//! }
//!
//! fanfare::conformance!(Memories);
//! # fn main() {}
//! ```
//!
//! `cargo test` then shows `conformance::one_thread::order_by_key` and all the others by name.
//!
//! # What is promised
//!
//! Some streamers can do what others cannot: the factory declares it as [`Capability`]s. A
//! behaviour that needs one that is not declared is not tested, and its test says so on standard
//! error, where `cargo test` does not hide it. What the type says by its marker traits
//! ([`Groups`](crate::streamer::Groups), [`OrderedByKey`](crate::streamer::OrderedByKey),
//! [`Durable`](crate::streamer::Durable)) has to be declared too, and the other way round: a test
//! of its own compares the two.
//!
//! # How it waits
//!
//! For what has to come, as long as [`Factory::PATIENCE`] at each step, and not a moment longer
//! than it takes; for what must not come, as long as [`Factory::QUIET`]. So a slow machine makes no
//! failure, a streamer that hangs is one, and each says what was expected, what came instead, and
//! after how long:
//!
//! ```text
//! expected 200 events, each once; came missing: `posts 17`, after 30.0s
//! ```
//!
//! # One at a time
//!
//! Each behaviour is a [function](mod@behaviours) that returns what did not hold, and
//! [`behaviours()`] lists them: to be run by other means than `#[test]`, or against a streamer that
//! is broken on purpose, to see that it is caught.

pub mod behaviours;
mod factory;
mod failure;
mod hand;
mod jobs;
mod messages;
mod run;
mod scene;
mod service;

pub use behaviours::{Behaviour, behaviours};
pub use factory::{Capability, Factory};
pub use failure::Failure;
pub use run::Threads;

#[doc(hidden)]
pub use run::{Markers, NoMarkers, compare, test};

/// One `#[test]` for each behaviour of the [suite](crate::testing::conformance) and each kind of
/// runtime, for the type that it is given: a [`Factory`](crate::testing::conformance::Factory).
///
/// It stands in a file of its own under `tests`, or where there is `#[cfg(test)]`. The tests are in
/// a module `conformance`, so a second use needs a module around it.
#[macro_export]
macro_rules! conformance {
    ($factory:ty) => {
        type __ConformanceFactory = $factory;

        mod conformance {
            #[allow(unused_imports)] // Without `cfg(test)` there are no tests.
            use $crate::testing::conformance as suite;

            type Factory = super::__ConformanceFactory;
            type Streamer = <Factory as suite::Factory>::Streamer;

            #[test]
            fn the_declared_capabilities_are_those_of_the_type() -> Result<(), String> {
                // On a type without the marker, the constant of the trait is the one in scope.
                #[allow(unused_imports)]
                use suite::NoMarkers as _;
                suite::compare::<Factory>(
                    suite::Markers::<Streamer>::GROUPS,
                    suite::Markers::<Streamer>::ORDERED_BY_KEY,
                    suite::Markers::<Streamer>::DURABLE,
                )
            }

            mod one_thread {
                $crate::__conformance_behaviours!(__conformance_tests One);
            }

            mod many_threads {
                $crate::__conformance_behaviours!(__conformance_tests Many);
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ($threads:ident $($name:ident: [$($needs:ident),*],)*) => {
        $(
            #[test]
            fn $name() -> Result<(), $crate::testing::conformance::Failure> {
                use $crate::testing::conformance::{Threads, test};
                test::<super::Factory>(Threads::$threads, stringify!($name))
            }
        )*
    };
}
