//! What is fuzzed; `tests/tests/corpora.rs` calls the same.

pub mod targets;
