//! fanfare with 100 handlers on 100 topics, as `build.rs` writes it.

#![allow(dead_code, reason = "handlers count, and read no more than the time")]

use fanfare::prelude::*;
use fanfare_benchmarks::{Contender, Heard, Sample, Task, contend, many};

include!(concat!(env!("OUT_DIR"), "/many_100_100.rs"));
