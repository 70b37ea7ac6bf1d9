//! What generated code names. It changes without notice.

#[cfg(feature = "macros")]
pub use fanfare_macros::no_such_streamer;
pub use {inventory, schemars, serde};

pub use crate::app::{Connection, StreamerSet};
pub use crate::codec::{Codec, named as codec};
pub use crate::dispatch::{
    BatchCall, BatchPolicy, Context, Handle, Hears, Outcome, Policy, RetryOrder, Staged,
};
pub use crate::error::{Error, Result};
pub use crate::event::read::read_current;
pub use crate::event::{
    Event, Follows, Key, Message, Payload, ReadError, Topic, TopicName, Written,
};
pub use crate::handler::{
    BatchResult, Extract, ExtractBatch, HandlerResult, Input, Needs, SchemaCheck, outcomes,
    read_batch, validate,
};
pub use crate::store::Start;
pub use crate::streamer::{BoxFuture, Guarantee, Streamer};
#[cfg(feature = "testing")]
pub use crate::testing::outside;
pub use crate::topology::proof;
pub use crate::topology::{
    Compatibility, EventDeclaration, Field, GroupDeclaration, HandlerDeclaration, Listening,
    Location, Set, SetDeclaration, StreamerDeclaration, Target,
};
