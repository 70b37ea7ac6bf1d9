//! What is known of a registry, so that it is asked once.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, Shared};
use lru::LruCache;
use tokio::time::Instant;

use super::SchemaRegistry;
use super::client::{Client, Reference, Registered};
use super::error::{Kind, RegistryError};
use crate::codec::avro::{LONGEST_SCHEMA, Shape};

/// So many schemas are known at a time, and so many ids that have none.
const KNOWN: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

/// So long the texts of those may be together, in bytes.
const LENGTH: usize = 32 * 1024 * 1024;

/// So long an id is taken for one that has no schema, once the registry has said so: each message of it
/// would ask again. Not longer, for a registry that follows another hears of a schema a little later.
const ABSENT: Duration = Duration::from_secs(1);

/// So many others may a schema refer to, by way of others.
const REFERENCES: usize = 100;

type Found = Result<Arc<Shape>, RegistryError>;
type Asked = Shared<BoxFuture<'static, Found>>;

/// The registry of an app.
pub(crate) struct Registry {
    client: Arc<Client>,
    pub(crate) options: SchemaRegistry,
    schemas: Mutex<Schemas>,
    writing: Problem,
    reading: Arc<Problem>,
}

/// By their ids. Each kind by itself, so that none pushes a schema out but another one.
struct Schemas {
    known: LruCache<u32, Found>,
    /// Those that are being asked for, each once for all who wait.
    asking: LruCache<u32, Asked>,
    /// Those that the registry did not know, what it said, and when.
    absent: LruCache<u32, (Instant, RegistryError)>,
}

/// What was wrong when the registry was last asked.
#[derive(Default)]
struct Problem(Mutex<Option<String>>);

impl Problem {
    fn last(&self) -> Option<String> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }

    fn note(&self, error: Option<&RegistryError>) {
        let problem = error.map(ToString::to_string);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}

impl Registry {
    pub(crate) fn new(options: SchemaRegistry) -> Result<Self, String> {
        Ok(Registry {
            client: Arc::new(Client::new(options.clone())?),
            options,
            schemas: Mutex::new(Schemas {
                known: LruCache::new(KNOWN),
                asking: LruCache::new(KNOWN),
                absent: LruCache::new(KNOWN),
            }),
            writing: Problem::default(),
            reading: Arc::default(),
        })
    }

    /// The id of an event's schema under a name.
    pub(crate) async fn id(
        &self,
        subject: &str,
        schema: &str,
        event: &str,
    ) -> Result<u32, RegistryError> {
        let answer = if self.options.auto_register {
            self.client.register(subject, schema).await
        } else {
            self.client.look_up(subject, schema).await
        };
        let answer = answer.map_err(|error| {
            let kind = error.kind;
            let about = format!("the Avro schema of `{event}` under the subject `{subject}`");
            RegistryError::new(kind, match kind {
                Kind::Refused => format!(
                    "{about} is refused: {error}. Change the event as the subject's compatibility allows, set that to what you mean, or keep the events of a topic apart with `with_subject_name`"
                ),
                Kind::Missing => format!(
                    "{about} is not registered, and `auto_register` is off: {error}. Register it before the service is deployed (`schemas avro` on the command line prints it); it is {schema}"
                ),
                Kind::Passing | Kind::Unfit => format!("{about} is not known yet: {error}"),
            })
        });
        self.writing.note(answer.as_ref().err());
        answer
    }

    /// The schema that an id stands for.
    pub(crate) async fn shape(&self, id: u32) -> Found {
        let asked = {
            let mut schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(found) = schemas.found(id) {
                return found;
            }
            schemas.asking.get_or_insert(id, || self.ask(id)).clone()
        };
        let found = asked.clone().await;
        let mut schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        schemas.settle(id, &asked, &found);
        found
    }

    /// Why it gave no id for what is to be written when it was last asked, or else why it was away when
    /// it was last asked for a schema to read by; if that was so.
    pub(crate) fn problem(&self) -> Option<String> {
        self.writing.last().or_else(|| self.reading.last())
    }

    fn ask(&self, id: u32) -> Asked {
        let client = Arc::clone(&self.client);
        let reading = Arc::clone(&self.reading);
        let asking = async move {
            let found = find(client, id).await;
            let error = found.as_ref().err();
            reading.note(error.filter(|error| error.kind == Kind::Passing));
            found
        };
        asking.boxed().shared()
    }
}

impl Schemas {
    /// What is known of an id: its schema, or that there was none a moment ago.
    fn found(&mut self, id: u32) -> Option<Found> {
        if let Some(found) = self.known.get(&id) {
            return Some(found.clone());
        }
        let (since, error) = self.absent.get(&id)?;
        (since.elapsed() < ABSENT).then(|| Err(error.clone()))
    }

    /// Keeps what was found, unless another of those who waited did it.
    fn settle(&mut self, id: u32, asked: &Asked, found: &Found) {
        let is_asked = |known: &Asked| known.ptr_eq(asked);
        if !self.asking.peek(&id).is_some_and(is_asked) {
            return;
        }
        self.asking.pop(&id);
        match found {
            Err(error) if error.kind == Kind::Missing => {
                self.absent.put(id, (Instant::now(), error.clone()));
            }
            // What an id stands for never changes.
            Err(error) if error.kind != Kind::Unfit => {}
            found => {
                self.known.put(id, found.clone());
                self.trim();
            }
        }
    }

    /// Lets those go that were used least lately, while all are too long.
    fn trim(&mut self) {
        let length = |found: &Found| found.as_ref().map_or(0, |shape| shape.length());
        let mut all: usize = self.known.iter().map(|(_, found)| length(found)).sum();
        while all > LENGTH
            && let Some((_, found)) = self.known.pop_lru()
        {
            all = all.saturating_sub(length(&found));
        }
    }
}

async fn find(client: Arc<Client>, id: u32) -> Found {
    let found = try_find(&client, id).await;
    found.map(Arc::new).map_err(|error| {
        let (kind, place) = (error.kind, client.place());
        RegistryError::new(
            kind,
            match kind {
                Kind::Missing => {
                    format!("the schema registry at {place} knows no schema {id}: {error}")
                }
                _ => format!("the schema {id} cannot be had: {error}"),
            },
        )
    })
}

async fn try_find(client: &Client, id: u32) -> Result<Shape, RegistryError> {
    let registered = client.schema(id).await?;
    let schema = avro(&registered)?.to_owned();
    let mut length = schema.len();
    let mut left: VecDeque<Reference> = registered.references.into_iter().flatten().collect();
    let (mut known, mut others) = (Vec::new(), Vec::new());
    while let Some(reference) = left.pop_front() {
        if known.contains(&reference) {
            continue;
        }
        if known.len() == REFERENCES {
            let words = format!("the schema refers to more than {REFERENCES} others");
            return Err(RegistryError::new(Kind::Unfit, words));
        }
        let registered = client.referred(&reference).await?;
        let other = avro(&registered)?.to_owned();
        length += other.len();
        if length > LONGEST_SCHEMA {
            let words =
                format!("with all that it refers to it is longer than {LONGEST_SCHEMA} bytes");
            return Err(RegistryError::new(Kind::Unfit, words));
        }
        others.push(other);
        left.extend(registered.references.into_iter().flatten());
        known.push(reference);
    }
    let unfit = |error: crate::codec::CodecError| {
        RegistryError::new(Kind::Unfit, format!("it is no schema of Avro: {error}"))
    };
    Shape::parse(&schema, &others).map_err(unfit)
}

/// Its text, if it is one of Avro's.
fn avro(registered: &Registered) -> Result<&str, RegistryError> {
    match registered.kind.as_deref() {
        None | Some("AVRO") => Ok(&registered.schema),
        Some(other) => Err(RegistryError::new(
            Kind::Unfit,
            format!("it is of {other:.40}, and this program reads those of Avro"),
        )),
    }
}
