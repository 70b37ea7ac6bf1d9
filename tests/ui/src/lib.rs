//! What does not compile: see `ui.rs`.
