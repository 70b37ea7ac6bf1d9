//! The handlers of the suite's own services: each does what the script of its test says, and tells
//! the test of it.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::Failure;
use super::failure::Clock;
use super::jobs::{Done, Job, Named};
use super::messages::Tally;
use crate::dispatch::{Context, Handle, Outcome};
use crate::error::{Error, Result};
use crate::event::Message;
use crate::handler::{Extract, Input, Metadata, State};
use crate::publisher::Publisher;
use crate::streamer::Origin;

/// More than any test is told before it hears: a handler that tells more waits.
const UNHEARD: usize = 10_000;

/// A handler of the suite: what it is called, and what it takes.
pub(super) trait Role: 'static {
    type Input: Named;
    const NAME: &'static str;
    /// Whether it publishes [`Done`] for each, before it does what the script says.
    const ANNOUNCES: bool = false;
}

/// Takes jobs.
pub(super) struct Works;

impl Role for Works {
    type Input = Job;
    const NAME: &'static str = "works";
}

/// Takes jobs beside [`Works`].
pub(super) struct Watches;

impl Role for Watches {
    type Input = Job;
    const NAME: &'static str = "watches";
}

/// Takes jobs, and announces what it does.
pub(super) struct Announces;

impl Role for Announces {
    type Input = Job;
    const NAME: &'static str = "announces";
    const ANNOUNCES: bool = true;
}

/// Takes what [`Announces`] publishes.
pub(super) struct Hears;

impl Role for Hears {
    type Input = Done;
    const NAME: &'static str = "hears";
}

/// What `#[event_handler]` makes of a function: the one place of the suite that knows how.
pub(super) const fn handle<R: Role>() -> Handle {
    Handle::One(|context| {
        let input = R::Input::read(context.message())?;
        Ok(Box::pin(call::<R>(input.name(), context)))
    })
}

async fn call<R: Role>(name: String, context: Context) -> Outcome {
    let call = Call {
        handler: R::NAME,
        name,
        attempt: context.attempt(),
        message: context.message().clone(),
        origin: context.origin().clone(),
        metadata: Metadata::extract(&context).await?,
    };
    let State(hand) = State::<Hand>::extract(&context).await?;
    let publisher = R::ANNOUNCES.then(|| context.publisher());
    hand.play(call, publisher).await?;
    Ok(context.into_staged())
}

/// An attempt at an event.
pub(super) struct Call {
    pub(super) handler: &'static str,
    pub(super) name: String,
    pub(super) attempt: u32,
    pub(super) message: Message,
    pub(super) origin: Origin,
    pub(super) metadata: Metadata,
}

/// What a handler does in an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Succeed,
    Fail,
    /// Asks for the next attempt after this time.
    FailFor(Duration),
    Panic,
    /// Succeeds when the test [lets go](Hand::let_go), and tells of it once more then.
    Hold,
}

/// What a handler tells the test.
pub(super) struct Told {
    pub(super) call: Arc<Call>,
    pub(super) act: Act,
    pub(super) at: Instant,
}

/// What an app's handlers do: the state that it is given.
#[derive(Clone)]
pub(super) struct Hand {
    script: Arc<dyn Fn(&Call) -> Act + Send + Sync>,
    tell: mpsc::Sender<Told>,
    held: CancellationToken,
}

impl Hand {
    pub(super) fn let_go(&self) {
        self.held.cancel();
    }

    async fn play(&self, call: Call, publisher: Option<&Publisher>) -> Result<()> {
        if let Some(publisher) = publisher {
            let (name, attempt) = (call.name.clone(), call.attempt);
            publisher.publish(Done { name, attempt }).await?;
        }
        let call = Arc::new(call);
        let act = (self.script)(&call);
        self.tell(&call, act).await;
        match act {
            Act::Succeed => Ok(()),
            Act::Fail => Err(Error::msg("the script says so")),
            Act::FailFor(pause) => Err(Error::retry_after(pause)),
            // Without the hook that prints: this is no news.
            Act::Panic => resume_unwind(Box::new("the script says so")),
            Act::Hold => {
                self.held.cancelled().await;
                self.tell(&call, Act::Succeed).await;
                Ok(())
            }
        }
    }

    async fn tell(&self, call: &Arc<Call>, act: Act) {
        let told = Told {
            call: Arc::clone(call),
            act,
            at: Instant::now(),
        };
        // When the test has ended, nobody hears it.
        let _ = self.tell.send(told).await;
    }
}

/// What the handlers tell, as the test hears it: those of one app after another.
pub(super) struct Ear {
    tell: mpsc::Sender<Told>,
    heard: mpsc::Receiver<Told>,
    clock: Clock,
}

impl Ear {
    pub(super) fn new(clock: Clock) -> Self {
        let (tell, heard) = mpsc::channel(UNHEARD);
        Ear { tell, heard, clock }
    }

    /// Handlers that do what the script says, and tell this ear.
    pub(super) fn hand(&self, script: impl Fn(&Call) -> Act + Send + Sync + 'static) -> Hand {
        Hand {
            script: Arc::new(script),
            tell: self.tell.clone(),
            held: CancellationToken::new(),
        }
    }

    pub(super) async fn next(&mut self, expected: &str) -> Result<Told, Failure> {
        let told = self.clock.wait(expected, self.heard.recv()).await?;
        told.ok_or_else(|| self.clock.fail(expected, "an end"))
    }

    /// The next that is told is this attempt at the event of this name.
    pub(super) async fn expect(&mut self, name: &str, attempt: u32) -> Result<Told, Failure> {
        let expected = format!("attempt {attempt} at `{name}`");
        let told = self.next(&expected).await?;
        if told.call.name != name || told.call.attempt != attempt {
            return Err(self.clock.fail(expected, told.words()));
        }
        Ok(told)
    }

    /// Counts what succeeds, until nothing of the tally is missing.
    pub(super) async fn count(&mut self, tally: &mut Tally) -> Result<(), Failure> {
        while tally.is_waiting() {
            let told = self.next("an event").await.map_err(|failure| {
                let came = format!("{}, and then {}", tally.came(), failure.came());
                self.clock.fail(tally.expected(), came)
            })?;
            told.count(tally);
        }
        Ok(())
    }

    /// What was told and not heard yet.
    pub(super) fn rest(&mut self) -> Vec<Told> {
        std::iter::from_fn(|| self.heard.try_recv().ok()).collect()
    }

    /// Is told nothing for a while.
    pub(super) async fn expect_nothing(&mut self, expected: &str) -> Result<(), Failure> {
        match timeout(self.clock.quiet, unconstrained(self.heard.recv())).await {
            Err(_) | Ok(None) => Ok(()),
            Ok(Some(told)) => Err(self.clock.fail(expected, told.words())),
        }
    }
}

impl Told {
    pub(super) fn words(&self) -> String {
        format!("attempt {} at `{}`", self.call.attempt, self.call.name)
    }

    /// Counts it, if it succeeds.
    pub(super) fn count(&self, tally: &mut Tally) {
        if self.act == Act::Succeed {
            tally.count(&self.call.name);
        }
    }
}
