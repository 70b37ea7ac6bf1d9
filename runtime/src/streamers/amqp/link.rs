//! A connection that is opened again whenever it is lost.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arcstr::ArcStr;
use backon::BackoffBuilder;
use futures_util::StreamExt;
use lapin::{Channel, Connection, Event};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::connect::{Dial, Dialed, failed};
use crate::streamer::StreamError;
use crate::streamers::state;
use crate::streamers::times::{LONGEST_PAUSE, PAUSES};

/// How often it is looked whether the connection is there, should its library not have told.
const GLANCE: Duration = Duration::from_secs(10);

/// A connection for one purpose: `RabbitMQ` may block those that publish, and they alone are to wait.
pub(super) struct Link {
    dial: Arc<Dial>,
    purpose: &'static str,
    state: watch::Sender<State>,
    closed: CancellationToken,
}

#[derive(Clone)]
enum State {
    Up(Arc<Dialed>),
    /// The broker takes nothing, and says why.
    Blocked(Arc<Dialed>, ArcStr),
    Down(ArcStr),
}

impl Link {
    /// Opens it once, and keeps it open until it is closed.
    pub(super) async fn open(
        dial: Arc<Dial>,
        purpose: &'static str,
        closed: CancellationToken,
    ) -> Result<Arc<Self>, StreamError> {
        let dialed = Arc::new(dial.dial(&format!("fanfare, {purpose}")).await?);
        let (state, _) = watch::channel(State::Up(Arc::clone(&dialed)));
        let link = Arc::new(Link {
            dial,
            purpose,
            state,
            closed,
        });
        tokio::spawn(Arc::clone(&link).keep(dialed));
        Ok(link)
    }

    /// The connection, which is waited for; an error once it is closed.
    ///
    /// `not` is one that has failed: another is waited for.
    pub(super) async fn dialed(
        &self,
        not: Option<&Arc<Dialed>>,
    ) -> Result<Arc<Dialed>, StreamError> {
        let mut states = self.state.subscribe();
        let mut found = None;
        let up = states.wait_for(|state| {
            found = match state {
                State::Up(dialed) if !not.is_some_and(|not| Arc::ptr_eq(not, dialed)) => {
                    Some(Arc::clone(dialed))
                }
                _ => None,
            };
            found.is_some()
        });
        // There always is a sender: it is in `self`.
        let _ = self.closed.run_until_cancelled(up).await;
        found.ok_or_else(state::closed)
    }

    /// A new channel, on the connection that is waited for.
    pub(super) async fn channel(&self) -> Result<(Arc<Dialed>, Channel), StreamError> {
        let mut failed_one = None;
        loop {
            let dialed = self.dialed(failed_one.as_ref()).await?;
            match dialed.connection.create_channel().await {
                Ok(channel) => return Ok((dialed, channel)),
                Err(error) if is_there(&dialed.connection) => {
                    return Err(failed("RabbitMQ opens no channel", &error));
                }
                Err(_) => failed_one = Some(dialed),
            }
        }
    }

    pub(super) fn label(&self) -> &str {
        self.dial.label()
    }

    pub(super) fn health(&self) -> Result<(), StreamError> {
        let (label, purpose) = (self.label(), self.purpose);
        match &*self.state.borrow() {
            State::Up(_) => Ok(()),
            State::Blocked(_, why) => Err(StreamError::new(format!(
                "RabbitMQ at {label} takes no events at present: {why}"
            ))),
            State::Down(why) => Err(StreamError::new(format!(
                "the connection to RabbitMQ at {label} for {purpose} is lost: {why}"
            ))),
        }
    }

    /// Why it waits, for an error.
    pub(super) fn trouble(&self) -> Option<StreamError> {
        self.health().err()
    }

    /// Closes it properly, if it is there.
    pub(super) async fn close(&self) {
        self.closed.cancel();
        let state = self.state.send_replace(State::Down(state::CLOSED.into()));
        if let State::Up(dialed) | State::Blocked(dialed, _) = state {
            // One that is lost meanwhile is closed too.
            let _ = dialed.connection.close(200, "OK".into()).await;
        }
    }

    /// Until it is closed.
    async fn keep(self: Arc<Self>, mut dialed: Arc<Dialed>) {
        let closed = self.closed.clone();
        closed
            .run_until_cancelled(async {
                loop {
                    let why = self.watch_over(&dialed).await;
                    dialed.cut();
                    dialed = self.reopen(&why).await;
                }
            })
            .await;
    }

    /// Until the connection is lost: why.
    async fn watch_over(&self, dialed: &Arc<Dialed>) -> ArcStr {
        let mut events = pin!(dialed.connection.events_listener());
        let mut why = ArcStr::from("the broker has closed it");
        while is_there(&dialed.connection) {
            let event = tokio::select! {
                event = events.next() => event,
                () = sleep(GLANCE) => continue,
            };
            match event {
                Some(Event::Error(error)) => why = error.to_string().into(),
                Some(Event::ConnectionBlocked(reason)) => {
                    tracing::warn!(
                        broker = self.label(),
                        reason,
                        "RabbitMQ takes no events at present; they wait"
                    );
                    let state = State::Blocked(Arc::clone(dialed), reason.into());
                    self.state.send_replace(state);
                }
                Some(Event::ConnectionUnblocked) => {
                    tracing::info!(broker = self.label(), "RabbitMQ takes events again");
                    self.state.send_replace(State::Up(Arc::clone(dialed)));
                }
                Some(_) => {}
                None => break,
            }
        }
        why
    }

    async fn reopen(&self, why: &str) -> Arc<Dialed> {
        let (broker, purpose) = (self.label(), self.purpose);
        self.state.send_replace(State::Down(why.into()));
        tracing::warn!(
            broker,
            purpose,
            error = why,
            "the connection to RabbitMQ is lost; it is tried again and again"
        );
        let mut said = String::new();
        let mut pauses = PAUSES.build();
        loop {
            sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
            match self.dial.dial(&format!("fanfare, {purpose}")).await {
                Ok(dialed) => {
                    tracing::info!(broker, purpose, "the connection to RabbitMQ is there again");
                    let dialed = Arc::new(dialed);
                    self.state.send_replace(State::Up(Arc::clone(&dialed)));
                    return dialed;
                }
                Err(error) => {
                    let why = error.to_string();
                    // Another reason may be another remedy.
                    if why != said {
                        tracing::warn!(broker, purpose, error = why, "RabbitMQ is not reached");
                    }
                    self.state.send_replace(State::Down(why.as_str().into()));
                    said = why;
                }
            }
        }
    }
}

/// Whether it is up as far as its library knows.
pub(super) fn is_there(connection: &Connection) -> bool {
    connection.status().connected()
}
