//! What a registry says, or why it says nothing.

use std::fmt;

/// Why a registry did not do what it was asked.
#[derive(Clone, Debug)]
pub(crate) struct RegistryError {
    pub(crate) kind: Kind,
    words: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It may be better the next time: it is away, or lets nobody in.
    Passing,
    /// There is no such schema, or subject.
    Missing,
    /// It refuses the schema: it is incompatible, or no schema.
    Refused,
    /// What it has is nothing that can be read by.
    Unfit,
}

impl RegistryError {
    pub(super) fn new(kind: Kind, words: impl Into<String>) -> Self {
        RegistryError {
            kind,
            words: words.into(),
        }
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}
