//! Running a behaviour as a test.

use std::any::type_name;
use std::io::{Write, stderr};
use std::marker::PhantomData;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use super::failure::Clock;
use super::{Capability, Factory, Failure, behaviours};
use crate::streamer::{Durable, Groups, OrderedByKey};

/// The kind of tokio runtime that a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// `current_thread`.
    One,
    /// `multi_thread`, with four workers.
    Many,
}

impl Threads {
    fn runtime(self) -> std::io::Result<Runtime> {
        let mut builder = match self {
            Threads::One => Builder::new_current_thread(),
            Threads::Many => Builder::new_multi_thread(),
        };
        if self == Threads::Many {
            builder.worker_threads(4);
        }
        builder.enable_all().build()
    }
}

/// What a generated test does.
pub fn test<F: Factory>(threads: Threads, name: &str) -> Result<(), Failure> {
    let clock = Clock {
        start: Instant::now(),
        patience: F::PATIENCE,
        quiet: F::QUIET,
    };
    let mut known = behaviours::<F>().into_iter();
    let behaviour = known.find(|behaviour| behaviour.name() == name);
    let behaviour = behaviour.ok_or_else(|| clock.fail("a behaviour", format!("`{name}`")))?;
    if let Some(missing) = behaviour.missing() {
        let factory = type_name::<F>();
        // Past the test harness, which hides what a test that passes prints.
        let _ = writeln!(
            stderr(),
            "conformance: `{name}` is not tested: `{factory}` does not declare `{missing}`"
        );
        return Ok(());
    }
    let runtime = threads.runtime();
    let runtime = runtime.map_err(|error| clock.fail("a tokio runtime", error.to_string()))?;
    let result = runtime.block_on(behaviour.run());
    // A task that hangs must not hang the test.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

/// Whether what is declared is what the type says.
pub fn compare<F: Factory>(
    groups: bool,
    ordered_by_key: bool,
    durable: bool,
) -> Result<(), String> {
    let of_the_type = [
        (Capability::Groups, groups),
        (Capability::OrderedByKey, ordered_by_key),
        (Capability::Durable, durable),
    ];
    let wrong = of_the_type
        .into_iter()
        .filter(|(capability, is)| F::CAPABILITIES.contains(capability) != *is);
    let wrong: Vec<_> = wrong
        .map(|(capability, is)| {
            let (is, is_not) = if is {
                ("implemented", "declared")
            } else {
                ("declared", "implemented")
            };
            format!("`{capability}` is {is}, and not {is_not}")
        })
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!("{}: {}", type_name::<F>(), wrong.join("; ")))
}

/// The marker traits that a type implements, as constants.
#[derive(Debug)]
pub struct Markers<S>(PhantomData<S>);

impl<S: Groups> Markers<S> {
    /// It implements the trait.
    pub const GROUPS: bool = true;
}

impl<S: OrderedByKey> Markers<S> {
    /// It implements the trait.
    pub const ORDERED_BY_KEY: bool = true;
}

impl<S: Durable> Markers<S> {
    /// It implements the trait.
    pub const DURABLE: bool = true;
}

/// What is so where [`Markers`] has no such constant.
pub trait NoMarkers {
    /// It does not implement the trait.
    const GROUPS: bool = false;
    /// It does not implement the trait.
    const ORDERED_BY_KEY: bool = false;
    /// It does not implement the trait.
    const DURABLE: bool = false;
}

impl<S> NoMarkers for Markers<S> {}
