//! The suite's own services: the app that every service runs in, on the streamer that is tested.

use std::any::TypeId;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::poll_immediate;
use schemars::schema_for;

use super::failure::Clock;
use super::hand::{Hand, Role, handle};
use super::scene::{Connection as TestConnection, Scene, Subscriber, shared};
use super::{Factory, Failure};
use crate::app::{App, Connection, Running, StreamerSet};
use crate::event::{Event, Topic};
use crate::handler::Input;
use crate::publisher::Publisher;
use crate::store::Start;
use crate::streamer::Streamer;
use crate::topology::{
    Compatibility, EventDeclaration, HandlerDeclaration, Listening, Location, Policy,
    SetDeclaration, StreamerDeclaration, Target, Topology,
};

/// The name of the streamer that is tested.
pub(super) const STREAMER: &str = "tested";

const LOCATION: Location = Location {
    file: file!(),
    line: line!(),
};

static SET: SetDeclaration = SetDeclaration {
    set: "fanfare::testing::conformance",
    streamers: &[StreamerDeclaration {
        name: STREAMER,
        kind: "Factory::Streamer",
        topics: None,
        codec: None,
        documentation: "",
    }],
    location: LOCATION,
};

/// Four attempts, with pauses that are worth no waiting.
pub(super) const POLICY: Policy = Policy {
    attempts: 4,
    shortest_pause: Duration::from_millis(1),
    longest_pause: Duration::from_millis(4),
    ..Policy::DEFAULT
};

/// As [`POLICY`], for four events at a time.
pub(super) const FOUR_AT_A_TIME: Policy = Policy {
    concurrency: NonZeroUsize::new(4).expect("not zero"),
    ..POLICY
};

/// The only streamer of the suite's services.
struct Tested<S>(S);

impl<S: Streamer> StreamerSet for Tested<S> {
    fn declaration() -> &'static SetDeclaration {
        &SET
    }

    fn connections(self) -> Vec<Connection> {
        vec![Connection::new(STREAMER, self.0)]
    }
}

/// A service, as its code would declare it. Its instances share the work.
pub(super) struct Service<'a, F> {
    scene: &'a Scene<F>,
    pub(super) name: String,
    events: Vec<&'static EventDeclaration>,
    handlers: Vec<&'static HandlerDeclaration>,
}

impl<'a, F: Factory> Service<'a, F> {
    pub(super) fn of(scene: &'a Scene<F>) -> Self {
        Service {
            scene,
            name: scene.service(),
            events: Vec::new(),
            handlers: Vec::new(),
        }
    }

    /// With an event that is streamed to the topic.
    pub(super) fn event<E: Event>(mut self, topic: &str) -> Self {
        self.events.push(declared(EventDeclaration {
            name: E::NAME,
            former_names: E::FORMER_NAMES,
            version: E::VERSION,
            compatibility: Compatibility::None,
            codec: Some(E::CODEC),
            avro_schema: None,
            type_name: E::NAME,
            type_id: TypeId::of::<E>,
            documentation: "",
            key: None,
            targets: declared([Target::new(tested::<F>(topic))]),
            schema: || schema_for!(E),
            location: LOCATION,
        }));
        self
    }

    /// With a handler that is streamed from the topic.
    pub(super) fn handler<R: Role>(mut self, topic: &str, policy: Policy) -> Self {
        self.handlers.push(declared(HandlerDeclaration {
            name: R::NAME,
            function: R::NAME,
            documentation: "",
            hears: R::Input::HEARS,
            start: Start::Now,
            sources: declared([Listening::new(tested::<F>(topic))]),
            group: None,
            dead_letters: None,
            guarantees: &[],
            policy,
            needs: |needs| needs.state::<Hand>(),
            json_schema: None,
            handle: handle::<R>(),
            location: LOCATION,
        }));
        self
    }

    /// Starts an instance, with a connection of its own.
    pub(super) async fn start(&self, hand: &Hand) -> Result<Instance, Failure> {
        let (events, handlers) = (self.events.clone(), self.handlers.clone());
        let topology = Topology::of(&self.name, &[&SET], events, handlers);
        let app = App::new(self.name.as_str())
            .streamers(Tested(self.scene.factory.streamer()))
            .state(hand.clone());
        let clock = self.scene.clock;
        let started = clock
            .wait("an app to start", app.start_as(topology))
            .await?;
        let running = started
            .map_err(|error| clock.fail("an app to start", format!("the error \"{error}\"")))?;
        Ok(Instance { running, clock })
    }
}

/// Declarations live as long as the program that is compiled from them. Those of the suite are made
/// while it runs, since each test has topics of its own: they are few, and stay.
fn declared<T>(declaration: T) -> &'static T {
    Box::leak(Box::new(declaration))
}

fn tested<F: Factory>(topic: &str) -> Topic<F::Streamer> {
    Topic::new(SET.set, STREAMER, Box::leak(Box::from(topic)))
}

impl<F: Factory> Scene<F> {
    /// Hears the dead letters of a topic.
    pub(super) async fn dead_letters(
        &self,
        connection: &TestConnection<F::Streamer>,
        topic: &str,
    ) -> Result<Subscriber, Failure> {
        let name = connection.dead_letter_topic(topic);
        // What it is called is the streamer's to say.
        self.ready(name.clone()).await?;
        connection.subscribe(&name, shared("group"), 10).await
    }
}

/// One process of a service. Dropped, it is gone as by a crash.
pub(super) struct Instance {
    running: Running,
    clock: Clock,
}

impl Instance {
    pub(super) fn publisher(&self) -> Publisher {
        self.running.publisher()
    }

    pub(super) async fn shutdown(self) -> Result<(), Failure> {
        self.shutdown_and(|| ()).await
    }

    /// Shuts down, and does something when that has begun: while what is in flight is waited for.
    pub(super) async fn shutdown_and(self, meanwhile: impl FnOnce()) -> Result<(), Failure> {
        let mut shutdown = pin!(self.running.shutdown());
        let begun = poll_immediate(shutdown.as_mut()).await;
        meanwhile();
        let ended = match begun {
            Some(ended) => ended,
            None => self.clock.wait("the app to shut down", shutdown).await?,
        };
        ended.map_err(|error| {
            let came = format!("the error \"{error}\"");
            self.clock.fail("the app to shut down", came)
        })
    }
}
