//! Handlers: what they take and how they end.
//!
//! A handler is an `async fn` with `#[event_handler]`. Its first argument is the event, its
//! others are extractors ([`Extract`]), and it returns a `Result`. With `batch(...)` it takes
//! several events at a time ([`ExtractBatch`], [`BatchResult`]):
//!
//! ```
//! use fanfare::prelude::*;
//!
//! #[event]
//! pub struct PostCreated {
//!     pub title: String,
//! }
//!
//! #[derive(Clone)]
//! struct SearchIndex;
//! impl SearchIndex {
//!     /// Says for each whether it was taken.
//!     async fn add_all(&self, titles: &[String]) -> Result<Vec<bool>> {
//!         Ok(titles.iter().map(|title| !title.is_empty()).collect())
//!     }
//! }
//!
//! #[event_handler(batch(max = 100, within = "1s"))]
//! async fn index_posts(
//!     posts: Vec<PostCreated>,
//!     State(index): State<SearchIndex>,
//! ) -> Result<Vec<Result<()>>> {
//!     let titles: Vec<_> = posts.into_iter().map(|post| post.title).collect();
//!     // An error here fails them all, one of the outcomes its event.
//!     let taken = index.add_all(&titles).await?;
//!     let outcome = |taken| match taken {
//!         true => Ok(()),
//!         false => Err(fanfare::Error::reject("a post without a title")),
//!     };
//!     Ok(taken.into_iter().map(outcome).collect())
//! }
//! # fn main() {}
//! ```
//!
//! # What becomes of an event
//!
//! | the handler | the event |
//! |---|---|
//! | returns `Ok` | is acknowledged, once everything that the handler published is confirmed |
//! | returns an error, panics, or takes too long | is tried again, as its [`Policy`](crate::topology::Policy) says; then it is a dead letter |
//! | cannot be given it, because it does not decode or is of a newer version | is a dead letter at once |
//! | could only be called after the event's `expirytime` | is acknowledged, logged, and counted as expired |
//! | has succeeded with it before, and has `deduplicate` | is acknowledged, and counted as repeated; also where that turns out in an attempt that fails |
//! | is asked for another event of the topic | is acknowledged, and counted as ignored |
//! | is interrupted by a shutdown that will not wait | is not acknowledged, and comes again |
//!
//! tower layers around handlers: [`App::layer`](crate::App::layer).
//!
//! # Dead letters
//!
//! With a [`store`](crate::store) they are kept there, unless the handler names a topic. Else they
//! go to the topic that `dead_letter = streamer!(...)` names, or else to the one that the
//! source streamer says
//! ([`dead_letter_topic`](crate::streamer::Streamer::dead_letter_topic)), with every byte and
//! attribute as it came. Four more say why, as extensions of an event and as headers of anything
//! else: `deadletterreason`, `deadletterhandler`, `deadletterorigin` and `deadletterattempts`. The
//! delivery is acknowledged when the dead letter is confirmed; until then the handler waits.
//!
//! Whoever looks after them takes `RawEvent` from that topic (an event's own type is not streamed
//! there), reads its payload and the four extensions, and publishes it again where it belongs. A
//! dead letter does not expire.
//!
//! A dead letter that has no topic, or whose topic's streamer says that nobody takes it and it is
//! not kept (`Memory` does, where the topic has no group), goes to the log at
//! error level: with its id, the reason, and the payload. The payload is written as it is where it
//! is one line of text, and else in base64; of more than 64 KiB, the first 64 KiB, and the line
//! says so.
//!
//! What comes from elsewhere can be checked before the handler sees it: `validate = path::to::function`
//! names a `fn(&E) -> Result<(), R>`, and what that refuses is dead-lettered at once, with its words. So
//! is what does not fit a JSON Schema, with the feature `json-schema`: `json_schema` alone means the
//! event's own of the version it was written in, and `json_schema = SCHEMA` that of a text. (Of messages
//! of any kind, those in Avro are of no JSON Schema: they are refused.)
//!
//! ```
//! # #[cfg(feature = "json-schema")]
//! # mod example {
//! use fanfare::prelude::*;
//!
//! #[event]
//! pub struct PostCreated {
//!     #[schemars(length(min = 1))]
//!     pub title: String,
//! }
//!
//! #[event_handler(json_schema)]
//! async fn index_post(post: PostCreated) -> Result<()> {
//!     assert!(!post.title.is_empty());
//!     Ok(())
//! }
//! # }
//! # fn main() {}
//! ```
//!
//! # The service's own events
//!
//! A handler without `streamed_from` hears what this process publishes, from
//! `local/<event>/<handler>`. Without a store, that is best effort: such an event waits in
//! memory, and is gone with the process. A shutdown lets the handlers finish what waits. A dead
//! letter goes to the log, unless `dead_letter` names a topic.
//!
//! With a [`store`](crate::store), it hears what all instances of the service have stored, from
//! `local/<event>/log`: at least once, also across a crash, from a cursor of its own. A new handler
//! starts with the next event, or with `from = beginning` with the first that the store holds. One
//! instance at a time works for a handler; another takes over when it is gone. Dead letters, also
//! those of what is streamed, are kept in the store, unless `dead_letter` names a topic.

mod batch;
mod extract;
mod input;
mod json_schema;
mod metadata;
mod outcome;

pub use crate::dispatch::{Call, CallService, Called, Context, HandlerService, Hears};
#[doc(hidden)]
pub use batch::{Batch, outcomes, read_batch};
pub use batch::{BatchResult, ExtractBatch};
pub use extract::{Extract, Needs, State};
pub use input::{Input, RawEvent, validate};
#[doc(hidden)]
pub use json_schema::SchemaCheck;
pub use metadata::Metadata;
pub use outcome::HandlerResult;
