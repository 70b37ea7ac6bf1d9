//! fanfare with 1 handler on 1 topic, as `build.rs` writes it.

#![allow(dead_code, reason = "handlers count, and read no more than the time")]

use fanfare::prelude::*;
use fanfare_benchmarks::{Contender, Heard, Sample, Task, contend, many};

include!(concat!(env!("OUT_DIR"), "/many_1_1.rs"));
