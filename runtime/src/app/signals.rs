//! The signals that ask a service to end.

use std::fmt;
use std::io;

/// What the operator sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    Interrupt,
    #[cfg(unix)]
    Terminate,
}

impl Asked {
    /// As a shell gives it for a process that the signal ended.
    pub(super) fn exit_code(self) -> i32 {
        match self {
            Asked::Interrupt => 130,
            #[cfg(unix)]
            Asked::Terminate => 143,
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Asked::Interrupt => "SIGINT",
            #[cfg(unix)]
            Asked::Terminate => "SIGTERM",
        })
    }
}

#[cfg(unix)]
pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// From now on the signals are ours: they no longer end the process by themselves.
    pub(super) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Interrupt,
            _ = self.terminate.recv() => Asked::Terminate,
        }
    }
}

#[cfg(windows)]
pub(super) struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    /// From now on Ctrl-C is ours: it no longer ends the process by itself.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Signals(tokio::signal::windows::ctrl_c()?))
    }

    pub(super) async fn next(&mut self) -> Asked {
        self.0.recv().await;
        Asked::Interrupt
    }
}
