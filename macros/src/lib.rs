//! The macros of fanfare: entry points and their documentation, nothing else.
//!
//! Each macro is a pipeline of three steps: *parse* what the user wrote into syntax trees,
//! *validate* it by rules that stand in one place, *expand* it into tokens. Use them through the
//! crate `fanfare`, which re-exports them.

mod attribute;
mod diagnostics;
mod duration;
mod event;
mod event_handler;
mod fanfare;
mod payload;
mod streamers;
mod target;

use proc_macro::TokenStream;

/// Declares the streamers of a service or of a fleet: each field is one, named after the field
/// with `-` for `_`.
///
/// ```
/// use fanfare::prelude::*;
///
/// /// Where this service's events travel.
/// #[derive(Streamers)]
/// pub struct Streamers {
///     /// What happens to posts.
///     #[streamer(topics("posts", "comments"))] // the only topics there are
///     pub main_memory: Memory, // named "main-memory"
///     #[streamer(name = "alerts")]
///     pub second: Memory,
/// }
///
/// #[event(stream_to = streamer!("main-memory", "posts"))]
/// pub struct PostCreated {
///     pub title: String,
/// }
/// # fn main() {}
/// ```
///
/// The derive makes `streamer!` in the same module, as visible as the struct:
/// `streamer!("name", "topic")` is the topic of that streamer, and does not compile where there
/// is no such streamer, or no such topic in a closed set. Import it like any item,
/// `use shared_events::streamer;`, also from another crate: the import brings a module of the same
/// name along, in which the macro finds the types, so a module of yours is called otherwise. One
/// set a module; several in one program are fine. The struct stands in a module, not in a
/// function.
///
/// On a field:
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `name = "..."` | the streamer's name | the field's, with `-` for `_` |
/// | `topics("...", ...)` | the only topics there are | any topic |
/// | `codec = "json"`, `"messagepack"`, `"cbor"` or `"avro"` | how the payloads of events are written that say nothing of it themselves | `"json"` |
#[proc_macro_derive(Streamers, attributes(streamer))]
pub fn derive_streamers(input: TokenStream) -> TokenStream {
    streamers::derive(input.into()).into()
}

/// Makes a struct or an enum an event: it can be published, and handlers can hear it.
///
/// ```
/// use fanfare::prelude::*;
///
/// #[derive(Streamers)]
/// pub struct Streamers {
///     pub main: Memory,
/// }
///
/// #[event(name = "PostCreated")]
/// pub struct PostCreatedV1 {
///     pub title: String,
/// }
///
/// /// Somebody wrote something.
/// #[event(
///     stream_to = [streamer!("main", "posts"), streamer!("main", "audit")],
///     key = post_id,
///     version = 2,
///     previous = PostCreatedV1,
/// )]
/// pub struct PostCreated {
///     pub post_id: u64,
///     pub title: String,
/// }
///
/// impl From<PostCreatedV1> for PostCreated {
///     fn from(old: PostCreatedV1) -> Self {
///         PostCreated { post_id: 0, title: old.title }
///     }
/// }
/// # fn main() {}
/// ```
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `stream_to = streamer!(...)`, or an array of them | where it is streamed to | nowhere: only this service's own handlers hear it |
/// | `key = field` | events of one key keep their order; the field has `Display` | no key: order within a stream |
/// | `name = "..."` | the name on the wire | the type's name |
/// | `version = N` | the version of its shape, from 1 | 1 |
/// | `expires_after = "5min"` | how long after it was announced it loses its worth: a handler that gets to it later, also for another attempt, is not called, and it is logged and counted as expired (CloudEvents' `expirytime`) | never |
/// | `previous = Type` | the version before, from which `From` leads here; needed from version 2 on | none |
/// | `renamed_from = "..."`, or an array of them | what it was called on the wire before: its handlers hear that, too, from brokers, the store and dead letters. Each later version says it again. Let those who hear it know the new name before somebody publishes it | none |
/// | `codec = "json"`, `"messagepack"`, `"cbor"` or `"avro"` | how its payload is written, on every streamer; all but the first are features of fanfare. A handler reads all that its program was built with | as its streamer says, or `"json"` |
/// | `avro_schema = include_str!("post.avsc")` | its schema where it is written in Avro: a text, or a constant | made of its type |
/// | `compatibility = "backward"`, `"forward"`, `"full"` or `"none"` | how its shape may change without a new version, where the shapes are kept in `fanfare.schemas.json`: what was written before can be read, what is written can be read by the code of before, both, or neither | `"backward"` |
///
/// It derives serde's `Serialize` and `Deserialize` and schemars' `JsonSchema` from fanfare's own
/// re-exports, so that the type must not derive them again; `#[serde(...)]` attributes work. It
/// stands above other derives. A type inside an event needs the three too: [`macro@payload`]
/// derives them. Generic parameters are refused: a name on the wire is one type. JSON has no NaN
/// and no infinity: they are written as `null`. Where two events hold each other, one of the two
/// fields has `#[serde(bound = "")]`.
#[proc_macro_attribute]
pub fn event(arguments: TokenStream, item: TokenStream) -> TokenStream {
    event::expand(arguments.into(), item.into()).into()
}

/// Derives what a type inside an event needs: serde's `Serialize` and `Deserialize` and schemars'
/// `JsonSchema`, from fanfare's own re-exports.
///
/// ```
/// use fanfare::prelude::*;
///
/// #[payload]
/// pub struct Author {
///     pub name: String,
/// }
///
/// #[event]
/// pub struct PostCreated {
///     pub author: Author,
/// }
/// # fn main() {}
/// ```
///
/// It is no more than the three derives: a type that has them by other means needs no `#[payload]`.
#[proc_macro_attribute]
pub fn payload(arguments: TokenStream, item: TokenStream) -> TokenStream {
    payload::expand(arguments.into(), &item.into()).into()
}

/// Makes an async function the handler of an event.
///
/// ```
/// use fanfare::prelude::*;
///
/// #[derive(Streamers)]
/// pub struct Streamers {
///     pub main: Memory,
/// }
///
/// #[event(stream_to = streamer!("main", "posts"))]
/// pub struct PostCreated {
///     pub title: String,
/// }
///
/// #[derive(Clone, Default)]
/// struct SearchIndex;
///
/// #[event_handler(streamed_from = streamer!("main", "posts"))]
/// async fn index_post(post: PostCreated, State(index): State<SearchIndex>) -> Result<()> {
///     let _ = (post.title, index);
///     Ok(())
/// }
/// # fn main() {}
/// ```
///
/// The first argument is the event by value, or `RawEvent` to hear every message of the topic.
/// The others are extractors: `State<T>`, `Metadata`, `Origin`, `Publisher`, `RawEvent`, or one of
/// your own. It returns a `Result`: an error is tried again, then dead-lettered. The function
/// stays what it is: it can be called and tested.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `streamed_from = streamer!(...)`, or an array of them | where it listens | the service's own events, in this process |
/// | `validate = path::to::function` | `fn(&E) -> Result<(), R>`, asked before the handler is called, `R` being anything with `Display`: an event that it refuses is dead-lettered at once with what it says | none |
/// | `json_schema`, or `json_schema = SCHEMA` | with the feature `json-schema`: the payload as it came is checked before `validate`, against the event's own JSON Schema of the version it was written in, or against that of a text (any constant, such as `include_str!("order.schema.json")`) in whatever version: what does not fit is dead-lettered at once. A text that is no JSON Schema, or that refers to another document, keeps the app from starting | none |
/// | `from = beginning` or `from = now` | where a handler of the service's own events starts when it is new: with the first event that the store holds, or with the next one | `now` |
/// | `name = "..."` | its name, unique in the service | the function's |
/// | `group = "..."` or `group = each_instance` | who shares the events; `each_instance`: nobody | `<service>.<handler>`, shared by the service's instances |
/// | `dead_letter = streamer!(...)` | where events go that it cannot handle | the app's store; without one, the source streamer's own dead-letter topic |
/// | `retry(attempts = 5, backoff = "100ms..30s")` | how often an event is tried, and the shortest and longest pause between; jitter adds up to the pause once more | 5 attempts; 100 ms, doubling up to 30 s |
/// | `retry = in_order` or `retry = requeue` | whether later events of its key wait for it, or overtake it; may stand beside `retry(...)` | `in_order` |
/// | `timeout = "10s"` | the longest that an attempt may take | no limit |
/// | `concurrency = 1` | how many events are handled at a time; the order of each key holds | 1 |
/// | `batch(max = 100, within = "1s")` | the handler takes `Vec<Event>`: up to so many, as many as come within that time of the first; it returns `Result<()>`, or `Vec<Result<()>>` with an outcome for each. Its extractors are `State<T>`, or a `Vec` with one for each event, such as `Vec<Metadata>`. An event behind a failed one of its key is given again after that, also if its own outcome was `Ok` | one event |
/// | `deduplicate` | an event that it has succeeded with is not handled again when it is delivered again | it is |
/// | `in_flight = 256` | how many deliveries may be unacknowledged: the bound on memory | 256 |
/// | `guarantee(durable, ordered)` | what the streamer must promise, or it does not compile: to keep events across a crash; to keep the order of each key | none |
#[proc_macro_attribute]
pub fn event_handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    event_handler::expand(arguments.into(), item.into()).into()
}

/// Words the error for a `streamer!` that matches nothing declared. Called by the `streamer!`
/// that `#[derive(Streamers)]` makes.
#[doc(hidden)]
#[proc_macro]
pub fn no_such_streamer(input: TokenStream) -> TokenStream {
    streamers::no_such_streamer(input.into()).into()
}
