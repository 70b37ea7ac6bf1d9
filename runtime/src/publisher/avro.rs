//! An event in Avro: its schema, and the id that a registry gives it.

use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::codec::CodecError;
use crate::codec::avro::{self, AvroSchema};
use crate::registry::{Registry, RegistryError};

/// An event on its way to a topic, in Avro.
pub(crate) struct AvroForm {
    event: &'static str,
    subject: String,
    schema: AvroSchema,
    registry: Arc<Registry>,
    id: OnceCell<u32>,
}

impl AvroForm {
    pub(crate) fn new(
        event: &'static str,
        schema: AvroSchema,
        topic: &str,
        registry: &Arc<Registry>,
    ) -> Self {
        let record = schema.shape.name().unwrap_or(event);
        AvroForm {
            event,
            subject: registry.options.subject(topic, record),
            schema,
            registry: Arc::clone(registry),
            id: OnceCell::new(),
        }
    }

    /// What the registry calls the schema: it is asked once, for all who wait.
    pub(crate) async fn id(&self) -> Result<u32, RegistryError> {
        let ask = || {
            self.registry
                .id(&self.subject, &self.schema.text, self.event)
        };
        self.id.get_or_try_init(ask).await.copied()
    }

    /// From JSON.
    pub(super) fn write(&self, id: u32, json: &[u8]) -> Result<Vec<u8>, CodecError> {
        avro::from_json(&self.schema.shape, id, json)
    }
}
