//! Virtual time.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::{Instant, pause};

use crate::error::{Error, Result};

/// Pauses tokio's clock, unless it is paused: from now on it jumps when there is nothing to do.
pub(super) fn take_over() -> Result<()> {
    if runtime()?.runtime_flavor() != RuntimeFlavor::CurrentThread {
        return Err(Error::msg(
            "`TestApp::start` runs on virtual time, which tokio has on its current-thread runtime only: write `#[tokio::test]` without a `flavor`, or take `TestApp::start_in_real_time`",
        ));
    }
    if !is_paused() {
        pause();
    }
    Ok(())
}

/// The tokio runtime that this is called in.
pub(super) fn runtime() -> Result<Handle> {
    Handle::try_current().map_err(|_| {
        Error::msg("`TestApp` runs in a tokio runtime: write `#[tokio::test]` above the test")
    })
}

/// tokio does not tell. But a paused clock stands still while the machine's goes on.
fn is_paused() -> bool {
    let before = Instant::now();
    let real = std::time::Instant::now();
    while std::time::Instant::now() == real {
        std::hint::spin_loop();
    }
    Instant::now() == before
}
