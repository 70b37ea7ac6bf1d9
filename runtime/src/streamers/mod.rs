//! The streamers that come with fanfare, each behind a feature of its name.

#[cfg(feature = "memory")]
mod memory;

#[cfg(feature = "memory")]
pub use memory::Memory;
