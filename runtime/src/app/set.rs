//! The connections that an app is given.

use std::fmt;
use std::sync::Arc;

use crate::streamer::{ErasedStreamer, Streamer};
use crate::topology::{Location, SetDeclaration};

/// A struct whose fields are streamers: `#[derive(Streamers)]` writes this.
#[diagnostic::on_unimplemented(
    message = "`{Self}` holds no declared streamers",
    label = "without `#[derive(Streamers)]`",
    note = "put `#[derive(Streamers)]` on the struct"
)]
pub trait StreamerSet {
    /// What it declares.
    fn declaration() -> &'static SetDeclaration;

    /// Its fields.
    fn connections(self) -> Vec<Connection>;
}

/// One field of a [`StreamerSet`].
pub struct Connection {
    pub(super) name: &'static str,
    pub(super) streamer: Arc<dyn ErasedStreamer>,
}

impl Connection {
    /// The streamer of this declared name.
    pub fn new<S: Streamer>(name: &'static str, streamer: S) -> Self {
        Connection {
            name,
            streamer: Arc::new(streamer),
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A set, as the app was given it.
pub(super) struct ConfiguredSet {
    pub(super) set: &'static str,
    pub(super) connections: Vec<Connection>,
    pub(super) location: Location,
}

impl ConfiguredSet {
    pub(super) fn new<S: StreamerSet>(set: S, location: Location) -> Self {
        ConfiguredSet {
            set: S::declaration().set,
            connections: set.connections(),
            location,
        }
    }

    pub(super) fn has(&self, set: &str, name: &str) -> bool {
        self.set == set
            && self
                .connections
                .iter()
                .any(|connection| connection.name == name)
    }
}
