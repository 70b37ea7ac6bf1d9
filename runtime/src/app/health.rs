//! How an app that runs is.

use super::Running;
use crate::streamer::StreamError;

/// How a streamer of an app that runs is, as far as it knows.
#[derive(Debug)]
#[non_exhaustive]
pub struct StreamerHealth {
    /// The streamer's declared name.
    pub streamer: &'static str,
    /// Why it is not connected, or not subscribed, if it is not: it goes on trying by itself.
    pub problem: Option<StreamError>,
}

impl Running {
    /// How each streamer is that the code mentions, for a health check: asks nobody and waits for
    /// nothing.
    pub fn health(&self) -> Vec<StreamerHealth> {
        self.connections.health()
    }

    /// Why the schema registry gave no id for an event that is to be streamed when it was last asked, or
    /// was away when it was last asked for a schema to read by; if that was so. Asks nobody and waits for
    /// nothing.
    #[cfg(feature = "avro")]
    pub fn schema_registry_problem(&self) -> Option<String> {
        self.staff.registry()?.problem()
    }
}

#[cfg(feature = "cli")]
mod leftovers {
    use super::Running;
    use crate::app::connections::{Found, LeftAt};
    use crate::error::Result;

    impl Running {
        /// What the brokers keep for handlers that are gone.
        pub(crate) async fn leftovers(&self) -> Found {
            let has_store = self.desk.log().is_some();
            let connections = &self.connections;
            connections.leftovers(&self.topology, has_store).await
        }

        /// Removes one of them.
        pub(crate) async fn remove(&self, left: &LeftAt) -> Result<()> {
            self.connections.remove(left).await
        }
    }
}
