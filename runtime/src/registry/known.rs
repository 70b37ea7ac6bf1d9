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

/// So long the texts of those may be together, in bytes, before another one comes.
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
    /// By id: schemas, and those that are being asked for, each once for all who wait.
    shapes: Mutex<LruCache<u32, Asked>>,
    /// The ids that the registry did not know, what it said, and when. By themselves, so that they push
    /// no schema out.
    absent: Mutex<LruCache<u32, (Instant, RegistryError)>>,
    writing: Problem,
    reading: Arc<Problem>,
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
            shapes: Mutex::new(LruCache::new(KNOWN)),
            absent: Mutex::new(LruCache::new(KNOWN)),
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
        if let Some(error) = self.absence(id) {
            return Err(error);
        }
        let asked = self.asked(id);
        let found = asked.clone().await;
        if let Err(error) = &found
            && error.kind == Kind::Missing
        {
            let mut absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner);
            absent.put(id, (Instant::now(), error.clone()));
        }
        // What an id stands for never changes.
        if found.as_ref().is_err_and(|error| error.kind != Kind::Unfit) {
            self.forget(id, &asked);
        }
        found
    }

    /// Why it gave no id for what is to be written when it was last asked, or else why it was away when
    /// it was last asked for a schema to read by; if that was so.
    pub(crate) fn problem(&self) -> Option<String> {
        self.writing.last().or_else(|| self.reading.last())
    }

    /// What the registry said when it did not know the id, if that was a moment ago.
    fn absence(&self, id: u32) -> Option<RegistryError> {
        let mut absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, error) = absent.get(&id)?;
        (since.elapsed() < ABSENT).then(|| error.clone())
    }

    fn asked(&self, id: u32) -> Asked {
        let mut shapes = self.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        if !shapes.contains(&id) {
            trim(&mut shapes);
        }
        let client = Arc::clone(&self.client);
        let reading = Arc::clone(&self.reading);
        let ask = || {
            let asking = async move {
                let found = find(client, id).await;
                let error = found.as_ref().err();
                reading.note(error.filter(|error| error.kind == Kind::Passing));
                found
            };
            asking.boxed().shared()
        };
        shapes.get_or_insert(id, ask).clone()
    }

    /// An error is asked for again, unless that is done already.
    fn forget(&self, id: u32, asked: &Asked) {
        let mut shapes = self.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        if shapes.peek(&id).is_some_and(|known| known.ptr_eq(asked)) {
            shapes.pop(&id);
        }
    }
}

/// Lets those go that were used least lately, while all are too long.
fn trim(shapes: &mut LruCache<u32, Asked>) {
    let length = |asked: &Asked| match asked.peek() {
        Some(Ok(shape)) => shape.length(),
        _ => 0,
    };
    let mut all: usize = shapes.iter().map(|(_, asked)| length(asked)).sum();
    while all > LENGTH
        && let Some((_, asked)) = shapes.pop_lru()
    {
        all = all.saturating_sub(length(&asked));
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
