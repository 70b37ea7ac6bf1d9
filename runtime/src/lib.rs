//! *Announce an event once; every streamer carries it.*
//!
//! fanfare is a procedural-macro event framework. A service annotates its event structs and its
//! handler functions, declares its streamers in one struct, and runs. What is annotated is
//! registered at compile time; what is misspelt does not compile; the app connects to, and
//! subscribes to, exactly what the code mentions.
//!
#![cfg_attr(all(feature = "macros", feature = "memory"), doc = "```no_run")]
#![cfg_attr(not(all(feature = "macros", feature = "memory")), doc = "```ignore")]
//! use fanfare::prelude::*;
//! # #[derive(Clone, Default)]
//! # pub struct SearchIndex;
//! # impl SearchIndex {
//! #     async fn add(&self, id: u64, title: &str) -> Result<()> { Ok(()) }
//! # }
//!
//! /// Where this service's events travel.
//! #[derive(Streamers)]
//! pub struct Streamers {
//!     #[streamer(topics("posts", "comments"))] // optional: the only topics there are
//!     pub main_memory: Memory,                 // named "main-memory"
//! }
//!
//! #[event(stream_to = streamer!("main-memory", "posts"), key = post_id)]
//! pub struct PostCreated {
//!     pub post_id: u64,
//!     pub title: String,
//! }
//!
//! #[event_handler(streamed_from = streamer!("main-memory", "posts"))]
//! async fn index_post(post: PostCreated, State(index): State<SearchIndex>) -> Result<()> {
//!     index.add(post.post_id, &post.title).await?;
//!     Ok(())
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> fanfare::Result<()> {
//!     App::new("blog")
//!         .streamers(Streamers {
//!             main_memory: Memory::new(),
//!         })
//!         .state(SearchIndex::default())
//!         .run()
//!         .await
//! }
//! ```
//!
//! That is the whole service. No include list, no topic string typed twice, no loop.
//!
//! # How to start
//!
//! Two dependencies, fanfare and tokio with its features `macros` and `rt`; then the lines above.
//! `use fanfare::prelude::*;` brings what a service needs. `App::check()` in a unit test finds
//! what is missing before a deployment does, and `println!("{}", app.topology())` shows what the
//! service will connect and subscribe to.
//!
//! With the feature `testing` among the dev-dependencies, `testing::TestApp` runs the whole service
//! in a test: every streamer in memory, every pause on virtual time, and everything that happened
//! there to be asked for.
//!
//! fanfare says through `tracing` what goes wrong. Without a subscriber, such as
//! `tracing_subscriber::fmt().init()` makes, nobody hears it.
//!
//! What is annotated is of the whole program: two tests with different streamers are two test
//! binaries, and a documentation test that starts an app is a `standalone_crate`.
//!
//! # The concepts
//!
//! | concept | what it is |
//! |---|---|
//! | [Event](event::Event) | a struct with a name, a version, an optional key, and the topics it is streamed to |
//! | [Envelope](event::Envelope) | an event on its way: `CloudEvents` 1.0 attributes and a payload |
//! | [Streamer](streamer) | a named, declared connection to something that carries events; it publishes, and it delivers |
//! | [Stream](streamer::Delivery::stream) | one ordered run of deliveries inside a streamer: a partition, a session, a connection |
//! | [Subscription](topology::Subscription) | streamer, topic, group and handler |
//! | [Handler](handler) | an async function with an outcome |
//! | Codec, Interceptor | payload to bytes and back; bytes to bytes. The codecs are JSON, and behind features `MessagePack`, CBOR and Avro |
//! | [Store](store) | the append-only log of the service's own events, with cursors, marks and dead letters; without one, the service's own events are best effort |
//!
//! And one derived thing, the [`Topology`](topology::Topology): everything that the linked code
//! declares, as a text for people and as JSON for programs.
//!
//! # What is checked, and when
//!
//! The order of preference: it does not compile; it refuses to start, with [`Faults`] that name
//! everything that is wrong at once; never does it fail on the first event at 3 a.m.
//!
//! # What is guaranteed
//!
//! - An error is never an acknowledgement. An error or a panic of a handler is logged, tried again
//!   with growing pauses as its [`Policy`](topology::Policy) says, and then the event goes to the
//!   dead letters, with the reason and its bytes as they were. What cannot be read goes there at
//!   once. A dead letter that neither a topic nor a store keeps goes to the log.
//! - An event that is delivered again is handled again, unless the handler says `deduplicate`;
//!   how far that goes says its [`Policy`](topology::Policy).
//! - What a handler publishes becomes visible when it succeeds, and not otherwise.
//! - Each handler has a group of its own, so handlers do not hold each other back until the queue
//!   of one is full, and instances of the service share the work.
//! - Every queue has a bound, and a slow handler slows its source.
//! - A shutdown finishes what is in flight; what did not finish is not acknowledged.
//! - With a [`store`], events are stored first and then streamed: what `publish` returned for
//!   reaches every target, also across a crash.
//!
//! How safely an event is kept on its way is its streamer's promise: see the capabilities in
//! [`streamer`].
//!
//! # Features
//!
//! | feature | default | what it brings |
//! |---|---|---|
//! | `macros` | yes | `#[derive(Streamers)]`, `#[event]`, `#[event_handler]`, `#[payload]` |
//! | `memory` | yes | `streamers::Memory`, the streamer inside one process |
//! | `kafka` | no | `streamers::Kafka`, on Apache Kafka |
//! | `nats` | no | `streamers::Nats`, on NATS with `JetStream` |
//! | `amqp` | no | `streamers::Amqp`, on `RabbitMQ` by AMQP 0.9.1 |
//! | `sqlite` | no | `store::SqliteStore`, the store in a file |
//! | `postgres` | no | `store::PostgresStore`, the store in `PostgreSQL` |
//! | `messagepack`, `cbor` | no | events in these, see [`codec`] |
//! | `json-schema` | no | `#[event_handler(json_schema)]`, see [`handler`] |
//! | `avro` | no | events in Avro, with a schema registry, see `registry` |
//! | `cli` | no | `App::cli`, a command line for the service's operator |
//! | `conformance` | no | `conformance!`, the suite that proves a streamer |
//! | `testing` | no | `testing::TestApp`, a service with its streamers in memory, on virtual time |

// Generated code names this crate `::fanfare`, also inside this crate.
#[allow(
    unused_extern_crates,
    reason = "only code generated inside this crate needs it"
)]
extern crate self as fanfare;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
#[cfg(any(
    feature = "kafka",
    feature = "nats",
    feature = "amqp",
    feature = "avro"
))]
mod access;
mod app;
#[cfg(feature = "cli")]
pub mod cli;
pub mod codec;
mod dispatch;
mod error;
pub mod event;
pub mod handler;
mod publisher;
#[cfg(feature = "avro")]
pub mod registry;
pub mod store;
pub mod streamer;
pub mod streamers;
#[cfg(any(feature = "conformance", feature = "testing"))]
pub mod testing;
pub mod topology;

pub use app::{
    App, Connection, Fault, Faults, IngestError, Ingester, ReplayError, Replayed, Running,
    StreamerHealth, StreamerSet,
};
pub use dispatch::Counts;
pub use error::{Error, Result};
pub use publisher::{MarkError, PublishError, Publisher, TargetError, Within};

#[cfg(feature = "macros")]
pub use fanfare_macros::{Streamers, event, event_handler, payload};

/// What a service needs: `use fanfare::prelude::*;`.
pub mod prelude {
    pub use crate::app::App;
    pub use crate::error::{Error, Result};
    pub use crate::event::Event;
    pub use crate::handler::{Metadata, RawEvent, State};
    pub use crate::publisher::Publisher;
    pub use crate::streamer::Origin;
    #[cfg(feature = "amqp")]
    pub use crate::streamers::Amqp;
    #[cfg(feature = "kafka")]
    pub use crate::streamers::Kafka;
    #[cfg(feature = "memory")]
    pub use crate::streamers::Memory;
    #[cfg(feature = "nats")]
    pub use crate::streamers::Nats;
    #[cfg(feature = "macros")]
    pub use fanfare_macros::{Streamers, event, event_handler, payload};
}
