//! An event in Avro: its schema, and the id that a registry gives it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, Shared};
use tokio::time::Instant;

use crate::codec::CodecError;
use crate::codec::avro::{self, AvroSchema};
use crate::registry::{Kind, Registry, RegistryError};

/// An event on its way to a topic, in Avro.
pub(crate) struct AvroForm {
    event: &'static str,
    subject: String,
    schema: AvroSchema,
    registry: Arc<Registry>,
    id: OnceLock<u32>,
    /// The question that is under way: asked once, for all who wait.
    asking: Mutex<Option<Asking>>,
    /// Why the schema was refused when it was last asked for, and when that was.
    refused: Mutex<Option<(Instant, RegistryError)>>,
}

/// So long a refusal holds: each event would ask again.
const REFUSED: Duration = Duration::from_secs(1);

type Asking = Shared<BoxFuture<'static, Result<u32, RegistryError>>>;

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
            id: OnceLock::new(),
            asking: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    /// What the registry calls the schema, if that is known.
    pub(super) fn known(&self) -> Option<u32> {
        self.id.get().copied()
    }

    /// What the registry calls the schema.
    pub(crate) async fn id(&self) -> Result<u32, RegistryError> {
        if let Some(id) = self.known() {
            return Ok(id);
        }
        if let Some(error) = self.refusal() {
            return Err(error);
        }
        let asking = self.asking();
        let answer = asking.clone().await;
        match answer {
            Ok(id) => Ok(*self.id.get_or_init(|| id)),
            Err(error) => {
                if error.kind == Kind::Refused {
                    let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
                    *refused = Some((Instant::now(), error.clone()));
                }
                self.forget(&asking);
                Err(error)
            }
        }
    }

    /// Why the registry refuses the schema, if it did so a moment ago.
    fn refusal(&self) -> Option<RegistryError> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, error) = refused.as_ref()?;
        (since.elapsed() < REFUSED).then(|| error.clone())
    }

    fn asking(&self) -> Asking {
        let ask = || {
            let (registry, event) = (Arc::clone(&self.registry), self.event);
            let (subject, schema) = (self.subject.clone(), self.schema.text.clone());
            async move { registry.id(&subject, &schema, event).await }
                .boxed()
                .shared()
        };
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        asking.get_or_insert_with(ask).clone()
    }

    /// An error is asked for again, unless that is done already.
    fn forget(&self, asked: &Asking) {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        asking.take_if(|known| known.ptr_eq(asked));
    }

    /// From JSON.
    pub(super) fn write(&self, id: u32, json: &[u8]) -> Result<Vec<u8>, CodecError> {
        avro::from_json(&self.schema.shape, id, json)
    }
}
