//! What the contenders of the benchmarks have in common: the event, what their handlers do, and the
//! process that each of them is.
//!
//! A contender is a program of its own (`src/bin`), so that CPU time and peak memory are its own
//! too. It is told what to do by [`Task`], does it, and prints its [`Figures`]; the program
//! `benchmarks` lets them take turns.

mod contender;
mod figures;
mod heard;
pub mod many;
mod sample;

pub use contender::{Contender, Task, contend};
pub use figures::Figures;
pub use heard::Heard;
pub use many::{IN_A_ROW, Publishing};
pub use sample::Sample;
