//! What benchmarks have in common.

use std::time::Duration;

/// Whether it is `cargo bench` that runs this; what `cargo test --all-targets` starts is only to be
/// compiled, and says so.
pub fn is_bench() -> bool {
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    if !is_bench {
        println!("measured by `cargo bench` only");
    }
    is_bench
}

/// Whether this is named on the command line, or nothing is.
pub fn is_asked_for(name: &str) -> bool {
    let mut named = std::env::args().skip(1).filter(|it| !it.starts_with('-'));
    let first = named.next();
    first.is_none_or(|first| first == name || named.any(|it| it == name))
}

/// Times as numbers.
pub fn seconds(times: &[Duration]) -> Vec<f64> {
    times.iter().map(Duration::as_secs_f64).collect()
}

/// The one in the middle.
///
/// # Panics
/// When there is none.
pub fn median(numbers: &[f64]) -> f64 {
    let mut numbers = numbers.to_vec();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
