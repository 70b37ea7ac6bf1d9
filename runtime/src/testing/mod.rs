//! What proves that something keeps its promises.

pub mod conformance;
