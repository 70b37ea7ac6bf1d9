//! What a turn says of itself.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// What a contender did in one turn.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Figures {
    /// Of the process, in nanoseconds for each time that a handler was called.
    pub cpu: f64,
    /// How often a handler was called, in a second.
    pub rate: f64,
    /// The peak of the process's memory, in MiB.
    pub memory: f64,
    /// From announcing to handling, in microseconds, where it was kept: the median.
    pub p50: f64,
    /// The same of all but one in a hundred.
    pub p99: f64,
}

/// The CPU time of this process so far.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), nanos)
}

/// The most memory that this process had at a time, in MiB.
pub(crate) fn peak_memory() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux's /proc");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<f64>().ok())
        .expect("a number of kB")
        / 1024.0
}
