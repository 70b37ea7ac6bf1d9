//! What a handler asks of a streamer, beyond being delivered to.

use std::fmt;

/// What a streamer may promise beyond its contract: each is a marker trait, which the compiler
/// asks for, and a word here for a streamer that is chosen at run time. `Display` gives the word
/// that a handler writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Guarantee {
    /// [`Durable`](super::Durable): `guarantee(durable)`.
    Durable,
    /// [`OrderedByKey`](super::OrderedByKey): `guarantee(ordered)`.
    Ordered,
    /// [`Groups`](super::Groups): every handler without `group = each_instance`.
    Groups,
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Guarantee::Durable => "durable",
            Guarantee::Ordered => "ordered",
            Guarantee::Groups => "groups",
        })
    }
}
