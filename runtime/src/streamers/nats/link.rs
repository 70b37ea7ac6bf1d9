//! The connection, through all its sessions.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use async_nats::ServerAddr;
use backon::BackoffBuilder;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::options::Settings;
use super::session::Session;
use crate::streamer::StreamError;
use crate::streamer::queue::locked;
use crate::streamers::state;
use crate::streamers::times::{LONGEST_PAUSE, PAUSES};

/// How much may be published and not confirmed, in pieces of [`PIECE`].
pub(super) const PIECES: u32 = 4096;
/// Bytes. `JetStream` takes some 10,000 messages and 128 MiB at a time from all its clients.
pub(super) const PIECE: usize = 4096;

/// What the handles, the subscriptions and the keeper of one connection share.
pub(super) struct Link {
    pub(super) options: Settings,
    state: watch::Sender<State>,
    /// From the first session on.
    is_connected: OnceLock<()>,
    /// What stands in the way of subscriptions, by their numbers.
    troubles: Mutex<BTreeMap<u64, String>>,
    /// How many subscriptions there were.
    numbers: AtomicU64,
    /// Ends the subscriptions.
    pub(super) closing: CancellationToken,
    pub(super) subscriptions: TaskTracker,
    pub(super) room: Semaphore,
}

#[derive(Clone)]
enum State {
    /// There is no connection, for this reason.
    Down(Arc<str>),
    Up(Arc<Session>),
    Closed,
}

impl Link {
    pub(super) fn new(options: Settings) -> Self {
        let why = state::not_connected().to_string();
        let state = State::Down(why.into());
        Link {
            options,
            state: watch::Sender::new(state),
            is_connected: OnceLock::new(),
            troubles: Mutex::default(),
            numbers: AtomicU64::new(0),
            closing: CancellationToken::new(),
            subscriptions: TaskTracker::new(),
            room: Semaphore::new(PIECES as usize),
        }
    }

    pub(super) async fn connect(self: &Arc<Self>) -> Result<(), StreamError> {
        if self.closing.is_cancelled() {
            return Err(state::closed());
        }
        if self.is_connected.get().is_some() {
            return Err(state::connected_already());
        }
        self.options.check()?;
        if let Some(tls) = &self.options.tls {
            tls.check()?;
        }
        let session = Session::open(&self.options, &[]).await?;
        session.check_jetstream().await?;
        let known = self.is_connected.set(());
        known.map_err(|()| state::connected_already())?;
        self.set(State::Up(Arc::clone(&session)));
        tokio::spawn(keep(Arc::downgrade(self), session, self.closing.clone()));
        Ok(())
    }

    fn set(&self, new: State) {
        self.state.send_if_modified(|state| {
            let is_open = !matches!(state, State::Closed);
            if is_open {
                *state = new;
            }
            is_open
        });
    }

    /// The session there is, or else why there is none.
    pub(super) fn session(&self) -> Result<Arc<Session>, StreamError> {
        match &*self.state.borrow() {
            State::Up(session) => Ok(Arc::clone(session)),
            State::Down(why) => Err(StreamError::new(&**why)),
            State::Closed => Err(state::closed()),
        }
    }

    /// The next session that is not over. An error when it is closed.
    pub(super) async fn next_session(&self) -> Result<Arc<Session>, StreamError> {
        let mut states = self.state.subscribe();
        let is_there = |state: &State| match state {
            State::Up(session) => !session.over.is_cancelled(),
            State::Down(_) => false,
            State::Closed => true,
        };
        match states.wait_for(is_there).await.as_deref() {
            Ok(State::Up(session)) => Ok(Arc::clone(session)),
            _ => Err(state::closed()),
        }
    }

    pub(super) fn health(&self) -> Result<(), StreamError> {
        self.session()?;
        match locked(&self.troubles).values().next() {
            Some(trouble) => Err(StreamError::new(trouble.clone())),
            None => Ok(()),
        }
    }

    /// A number that no other subscription has.
    pub(super) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// What stands in the way of a subscription now, if anything does.
    pub(super) fn set_trouble(&self, subscription: u64, trouble: Option<String>) {
        let mut troubles = locked(&self.troubles);
        match trouble {
            Some(trouble) => troubles.insert(subscription, trouble),
            None => troubles.remove(&subscription),
        };
    }

    pub(super) async fn close(&self) -> Result<(), StreamError> {
        const PATIENCE: Duration = Duration::from_secs(10);
        self.closing.cancel();
        self.subscriptions.close();
        let closing = async {
            // Without a connection nothing can be said any more.
            if let Ok(session) = self.session() {
                self.subscriptions.wait().await;
                session.answers().await;
            }
        };
        let closed = tokio::time::timeout(PATIENCE, closing).await;
        self.set(State::Closed);
        closed.map_err(|_| {
            StreamError::new(format!(
                "acknowledgements could not be sent to the NATS server within {PATIENCE:?}: the \
                 events may be delivered again"
            ))
        })
    }
}

/// Opens a new session whenever one is over.
async fn keep(link: Weak<Link>, mut session: Arc<Session>, closing: CancellationToken) {
    let mut others: Vec<ServerAddr> = session.others();
    loop {
        tokio::select! {
            () = session.over.cancelled() => {}
            () = closing.cancelled() => return,
        }
        let server = session.server.clone();
        drop(session);
        {
            let Some(link) = link.upgrade() else { return };
            let words = format!("the connection to the NATS server at {server} is lost");
            tracing::warn!("{words}; it is tried again with growing pauses");
            link.set(State::Down(words.into()));
        }
        let opening = open_again(&link, &others);
        let Some(Some(opened)) = closing.run_until_cancelled(opening).await else {
            return;
        };
        session = opened;
        others = session.others();
        tracing::info!(server = session.server, "connected to NATS again");
        let Some(link) = link.upgrade() else { return };
        link.set(State::Up(Arc::clone(&session)));
    }
}

/// Until it is open, or nobody needs it any more.
async fn open_again(link: &Weak<Link>, others: &[ServerAddr]) -> Option<Arc<Session>> {
    let mut pauses = PAUSES.build();
    let mut last = String::new();
    loop {
        let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
        tokio::time::sleep(pause).await;
        let link = link.upgrade()?;
        match Session::open(&link.options, others).await {
            Ok(session) => return Some(session),
            Err(error) => {
                let words = error.to_string();
                // Once for each reason.
                if words != last {
                    tracing::warn!("no connection to NATS: {words}");
                    link.set(State::Down(words.as_str().into()));
                    last = words;
                }
            }
        }
    }
}
