//! The app: what a service is made of, checked, started and shut down.

mod connections;
mod faults;
mod forms;
mod health;
mod ingester;
mod needs;
mod replay;
mod running;
mod set;
mod signals;
mod staff;
#[cfg(feature = "testing")]
mod stand_in;
mod start;
mod wiring;

use std::any::{Any, TypeId, type_name, type_name_of_val};
use std::panic;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tower_layer::Layer;

#[cfg(feature = "cli")]
pub(crate) use connections::{Found, LeftAt};
#[cfg(feature = "cli")]
pub(crate) use faults::schemas;
pub use faults::{Fault, Faults};
#[cfg(all(feature = "avro", feature = "cli"))]
pub(crate) use forms::avro_schema;
pub use health::StreamerHealth;
pub use ingester::{IngestError, Ingester};
pub use replay::{ReplayError, Replayed};
pub use running::Running;
pub use set::{Connection, StreamerSet};
#[cfg(feature = "testing")]
pub(crate) use stand_in::StandIn;
#[cfg(feature = "cli")]
pub(crate) use wiring::cursors as cursors_of;

use crate::dispatch::{CallService, HandlerService, Observer, States};
use crate::error::{Error, Result};
#[cfg(feature = "avro")]
use crate::registry::SchemaRegistry;
use crate::store::Store;
use crate::topology::{Location, Topology};
use set::ConfiguredSet;
use signals::Signals;

/// Makes a handler's service in all layers of the app.
type Layering = Arc<dyn Fn() -> HandlerService + Send + Sync>;

/// How long a shutdown waits for what is in flight, where the app says nothing.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(30);

/// How long a streamer or the store may take to close, even when the deadline has passed.
const CLOSING: Duration = Duration::from_secs(5);

/// A service: what the linked code declares, and the values that it needs.
///
/// ```no_run
/// use fanfare::App;
/// # use fanfare::StreamerSet;
/// # async fn example(streamers: impl StreamerSet) -> fanfare::Result<()> {
/// App::new("blog")
///     .streamers(streamers)         // a value of your `#[derive(Streamers)]` struct
///     .state(String::from("index")) // for `State<String>`
///     .run()
///     .await
/// # }
/// ```
///
/// It connects to the streamers that the code mentions, and to no other; it subscribes what the
/// handlers listen on, and nothing else. [`topology`](App::topology) lists both.
#[must_use = "an app does nothing until it is started: `.run().await`"]
pub struct App {
    service: String,
    sets: Vec<ConfiguredSet>,
    states: States,
    repeated_states: Vec<(&'static str, Location)>,
    shutdown_deadline: Duration,
    /// A handler in all layers.
    layers: Layering,
    store: Option<Arc<dyn Store>>,
    /// Its type.
    store_type: Option<(TypeId, &'static str)>,
    repeated_stores: Vec<Location>,
    #[cfg(feature = "avro")]
    schema_registry: Option<SchemaRegistry>,
    #[cfg(feature = "avro")]
    repeated_registries: Vec<Location>,
    /// Whether a test has put stand-ins in the place of the streamers, and left the store out.
    has_stand_ins: bool,
    /// Nobody, but in a test.
    observer: Option<Arc<dyn Observer>>,
    location: Location,
}

impl App {
    /// An app of this name, which its instances share: it is the `source` of its events and the
    /// first half of its groups' names.
    #[track_caller]
    pub fn new(service: impl Into<String>) -> Self {
        App {
            service: service.into(),
            sets: Vec::new(),
            states: States::default(),
            repeated_states: Vec::new(),
            shutdown_deadline: SHUTDOWN_DEADLINE,
            layers: Arc::new(|| HandlerService::BARE),
            store: None,
            store_type: None,
            repeated_stores: Vec::new(),
            #[cfg(feature = "avro")]
            schema_registry: None,
            #[cfg(feature = "avro")]
            repeated_registries: Vec::new(),
            has_stand_ins: false,
            observer: None,
            location: caller(),
        }
    }

    /// Gives the connections of a `#[derive(Streamers)]` struct. Call it once for each such
    /// struct that the code uses.
    #[track_caller]
    pub fn streamers<S: StreamerSet>(mut self, set: S) -> Self {
        self.sets.push(ConfiguredSet::new(set, caller()));
        self
    }

    /// Gives the value that handlers take as `State<T>`. It is cloned for each call: give an
    /// `Arc`, a pool, a handle.
    #[track_caller]
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, state: T) -> Self {
        if !self.states.insert(state) {
            self.repeated_states.push((type_name::<T>(), caller()));
        }
        self
    }

    /// Stores events before they are streamed: see [`store`](crate::store). It also keeps the dead
    /// letters of handlers that name no topic for theirs, and the marks of those that deduplicate.
    ///
    /// The start makes the cursors that are new, and fails where the store cannot be reached. The
    /// shutdown streams what is stored, as far as its deadline allows, and closes the store; the
    /// next start goes on from there.
    ///
    /// ```
    /// use fanfare::App;
    /// use fanfare::store::MemoryStore; // or `SqliteStore`, or `PostgresStore`
    ///
    /// let app = App::new("blog").store(MemoryStore::new());
    /// # let _ = app;
    /// ```
    #[track_caller]
    pub fn store(mut self, store: impl Store) -> Self {
        if self.store.is_some() {
            self.repeated_stores.push(caller());
        }
        self.store_type = Some((store.type_id(), type_name_of_val(&store)));
        self.store = Some(Arc::new(store));
        self
    }

    /// Says where the schemas of Avro are: see [`registry`](crate::registry).
    ///
    /// The start registers the schemas of what the service streams in Avro, and fails where the registry
    /// cannot be reached or refuses one.
    #[cfg(feature = "avro")]
    #[track_caller]
    pub fn schema_registry(mut self, registry: SchemaRegistry) -> Self {
        if self.schema_registry.is_some() {
            self.repeated_registries.push(caller());
        }
        self.schema_registry = Some(registry);
        self
    }

    /// Puts a tower layer around each handler, for what fanfare does not ship: limits, tracing,
    /// metrics. It is applied once for each handler and topic, on the event's way after decoding;
    /// each attempt is a [`Call`](crate::handler::Call) through it. Of several layers, the one that was added last is
    /// outermost.
    ///
    /// An error of a layer counts as the handler's: it is logged and tried again by the policy. A
    /// layer that answers `Ok` without calling has handled the event; what the handler published
    /// is published after the last layer has answered, and not if it answers with an error. Of a
    /// batch, a layer sees an error where all of it failed. The `timeout` of a handler holds for its
    /// layers too: where a call waits in one, for a limit say, its time runs. A [`Call`](crate::handler::Call) cannot be cloned: retries
    /// are the policy's.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use fanfare::App;
    /// use tower::limit::GlobalConcurrencyLimitLayer;
    /// use tower::timeout::TimeoutLayer;
    ///
    /// let app = App::new("blog")
    ///     .layer(TimeoutLayer::new(Duration::from_secs(10)))
    ///     // All handlers together, however many events each may handle at a time.
    ///     .layer(GlobalConcurrencyLimitLayer::new(64));
    /// # let _ = app;
    /// ```
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<HandlerService> + Send + Sync + 'static,
        L::Service: CallService,
    {
        let inner = self.layers;
        self.layers = Arc::new(move || inner().within(&layer));
        self
    }

    /// How long a shutdown waits for what is in flight; 30 seconds where nothing is said.
    pub fn shutdown_deadline(mut self, deadline: Duration) -> Self {
        self.shutdown_deadline = deadline;
        self
    }

    /// What the linked code declares.
    pub fn topology(&self) -> Topology {
        Topology::gather(&self.service)
    }

    /// Looks for everything that would keep the app from starting, and connects to nothing: for
    /// a unit test of your own. Where the current directory has a `fanfare.schemas.json`, as
    /// `schemas update` writes it (see [`cli`](crate::cli)), the events must be what it says, or have
    /// changed as their `compatibility` allows; a start does not look at that file.
    ///
    /// ```standalone_crate
    /// let faults = fanfare::App::new("blog").check().unwrap_err();
    /// assert!(faults.to_string().contains("no event and no handler"));
    /// ```
    ///
    /// # Errors
    /// All faults at once.
    pub fn check(&self) -> Result<(), Faults> {
        faults::check_all(self, &self.topology())
    }

    /// Checks, connects, subscribes, and then lets the handlers run, on tasks of the tokio
    /// runtime that it is called in.
    ///
    /// # Errors
    /// [`Faults`], or what a streamer or the store says that could not be reached, or subscribed to.
    /// What had been opened by then is closed, and so is the store, however far the start had come:
    /// whoever starts again opens it again.
    pub async fn start(self) -> Result<Running> {
        let topology = self.topology();
        self.start_as(topology).await
    }

    /// Starts as if this were what the code declares.
    pub(crate) async fn start_as(self, topology: Topology) -> Result<Running> {
        // Nobody stops it.
        let started = start::start_unless(&CancellationToken::new(), self, topology).await?;
        started.ok_or_else(|| Error::msg("the start was stopped"))
    }

    /// Starts, runs until the process gets SIGINT (Ctrl-C) or SIGTERM, and shuts down as
    /// [`Running::shutdown`] does; what a signal interrupts in the start is closed. A second signal
    /// ends the process at once, with exit code 130 or 143 as a shell expects it; what is in flight
    /// then is not acknowledged and comes again.
    ///
    /// It hands out nothing meanwhile. A service that publishes from outside of handlers, or that
    /// [ingests](Ingester), calls [`start`](App::start).
    ///
    /// # Errors
    /// As [`start`](App::start) and [`Running::shutdown`].
    pub async fn run(self) -> Result<()> {
        let mut signals = Signals::listen()?;
        let stop = CancellationToken::new();
        let mut service = pin!(async {
            let topology = self.topology();
            let Some(running) = start::start_unless(&stop, self, topology).await? else {
                return Ok(());
            };
            stop.cancelled().await;
            running.shutdown().await
        });
        let signal = tokio::select! {
            failed = &mut service => return failed,
            signal = signals.next() => signal,
        };
        tracing::info!("{signal}: shutting down; once more ends at once");
        stop.cancel();
        tokio::select! {
            ended = service => ended,
            signal = signals.next() => {
                tracing::warn!("{signal} again: ending at once; what is in flight comes again");
                std::process::exit(signal.exit_code())
            }
        }
    }

    #[cfg(feature = "cli")]
    pub(crate) fn service(&self) -> &str {
        &self.service
    }

    fn has_store(&self, type_id: TypeId) -> bool {
        self.store_type.is_some_and(|(has, _)| has == type_id)
    }

    fn has_state(&self, type_id: TypeId) -> bool {
        self.states.has(type_id)
    }
}

#[track_caller]
fn caller() -> Location {
    let caller = panic::Location::caller();
    Location {
        file: caller.file(),
        line: caller.line(),
    }
}
