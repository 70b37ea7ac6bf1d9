//! The envelope: an event on its way.

pub(crate) mod check;
mod error;
pub(crate) mod time;
mod value;

use std::sync::Arc;
use std::time::SystemTime;

use arcstr::{ArcStr, Substr};
use bytes::Bytes;

use super::EventId;
use super::cloudevents::extension::EXPIRY_TIME;

pub use error::EnvelopeError;
pub(crate) use error::excerpt;
pub use value::AttributeValue;

/// An event on its way: the context attributes of `CloudEvents` 1.0, and a payload.
///
/// An envelope is always valid by the specification, whichever way it came about; cloning it
/// copies neither attributes nor payload. What the specification calls `type` is
/// [`kind`](Envelope::kind) here, and `specversion` is always `1.0`. A payload of no bytes is no
/// payload: most protocols cannot tell the two apart.
///
/// Two envelopes are equal when they mean the same: extensions are compared by their canonical
/// text and without regard to order, since binary mode keeps neither type nor order.
///
/// ```
/// use bytes::Bytes;
/// use fanfare::event::{Envelope, EventId};
///
/// let envelope = Envelope::new(EventId::new(), "/blog", "blog.post-created")?
///     .with_payload("application/json", Bytes::from_static(b"{\"title\":\"Hello\"}"))?
///     .with_key("post-17")?
///     .with_extension("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")?;
///
/// assert_eq!(envelope.kind(), "blog.post-created");
/// assert_eq!(envelope.key(), Some("post-17"));
/// assert_eq!(envelope.payload().len(), 17);
/// # Ok::<(), fanfare::event::EnvelopeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Envelope(Arc<EnvelopeParts>);

/// What an envelope holds. Whoever fills this in vouches that it is valid.
#[derive(Clone, Debug)]
pub(crate) struct EnvelopeParts {
    pub(crate) id: EventId,
    pub(crate) source: Substr,
    pub(crate) kind: Substr,
    pub(crate) subject: Option<Substr>,
    pub(crate) time: Option<SystemTime>,
    pub(crate) content_type: Option<Substr>,
    pub(crate) schema: Option<Substr>,
    pub(crate) key: Option<Substr>,
    pub(crate) extensions: Extensions,
    pub(crate) payload: Bytes,
}

/// Extensions by name.
pub(crate) type Extensions = Vec<(ArcStr, AttributeValue)>;

impl Envelope {
    /// An event with its required attributes, and nothing else yet.
    ///
    /// `source` says where the event happened, as a URI-reference by RFC 3986; `kind` is the
    /// attribute `type`.
    ///
    /// # Errors
    /// [`EnvelopeError`] if `source` or `kind` is empty or holds a disallowed character, or
    /// `source` is no URI-reference.
    pub fn new(id: EventId, source: &str, kind: &str) -> Result<Envelope, EnvelopeError> {
        check::source(source)?;
        check::required_text("type", kind)?;
        Ok(Envelope::announce(EnvelopeParts {
            id,
            source: source.into(),
            kind: kind.into(),
            subject: None,
            time: None,
            content_type: None,
            schema: None,
            key: None,
            extensions: Vec::new(),
            payload: Bytes::new(),
        }))
    }

    /// An event of parts that are known to be valid: one allocation, and no check.
    pub(crate) fn announce(mut parts: EnvelopeParts) -> Envelope {
        parts.extensions.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Envelope(Arc::new(parts))
    }

    /// With this payload, of this media type (`datacontenttype`).
    ///
    /// # Errors
    /// [`EnvelopeError::ContentType`] if `content_type` is not of the form `type/subtype`, with
    /// or without parameters. Whether the payload is of that type is not looked at.
    pub fn with_payload(
        mut self,
        content_type: &str,
        payload: Bytes,
    ) -> Result<Self, EnvelopeError> {
        check::content_type(content_type)?;
        let parts = self.edit();
        parts.content_type = Some(content_type.into());
        parts.payload = payload;
        Ok(self)
    }

    /// The same event in another codec.
    pub(crate) fn recoded(&self, content_type: ArcStr, payload: Bytes) -> Self {
        let mut recoded = self.clone();
        let parts = recoded.edit();
        parts.content_type = Some(content_type.into());
        parts.payload = payload;
        recoded
    }

    /// With this `subject`: what the event is about, within its source.
    ///
    /// # Errors
    /// [`EnvelopeError::Empty`] or [`EnvelopeError::Character`].
    pub fn with_subject(mut self, subject: &str) -> Result<Self, EnvelopeError> {
        check::required_text("subject", subject)?;
        self.edit().subject = Some(subject.into());
        Ok(self)
    }

    /// With the `time` at which it happened, kept to the nanosecond.
    ///
    /// # Errors
    /// [`EnvelopeError::Time`] outside the years 0000 to 9999, the range of RFC 3339.
    pub fn with_time(mut self, time: SystemTime) -> Result<Self, EnvelopeError> {
        self.edit().time = Some(time::check(time)?);
        Ok(self)
    }

    /// With the `dataschema` that the payload follows: a URI with a scheme.
    ///
    /// # Errors
    /// [`EnvelopeError::Empty`] or [`EnvelopeError::Schema`].
    pub fn with_schema(mut self, schema: &str) -> Result<Self, EnvelopeError> {
        check::schema(schema)?;
        self.edit().schema = Some(schema.into());
        Ok(self)
    }

    /// With this `partitionkey` (the Partitioning extension): events of one key stay in order.
    ///
    /// # Errors
    /// [`EnvelopeError::Empty`] or [`EnvelopeError::Character`].
    pub fn with_key(mut self, key: &str) -> Result<Self, EnvelopeError> {
        check::required_text("partitionkey", key)?;
        self.edit().key = Some(key.into());
        Ok(self)
    }

    /// With this extension attribute, in place of an earlier one of the same name.
    ///
    /// A name is made of a-z and 0-9. The specification advises at most 20 characters; more are
    /// accepted. [`cloudevents::extension`](super::cloudevents::extension) has the names that
    /// fanfare uses itself.
    ///
    /// # Errors
    /// [`EnvelopeError::Name`], [`EnvelopeError::Reserved`] for an attribute that has a method of
    /// its own (and for `data`), [`EnvelopeError::Character`], [`EnvelopeError::TooMany`].
    pub fn with_extension(
        mut self,
        name: &str,
        value: impl Into<AttributeValue>,
    ) -> Result<Self, EnvelopeError> {
        let value = value.into();
        check::extension_name(name)?;
        check::text(name, &value.canonical())?;
        insert(&mut self.edit().extensions, name, value)?;
        Ok(self)
    }

    fn edit(&mut self) -> &mut EnvelopeParts {
        Arc::make_mut(&mut self.0)
    }

    /// Takes the key that travelled beside the event, unless the event names its own.
    pub(crate) fn adopt_key(&mut self, key: &[u8]) {
        if self.key().is_some() {
            return;
        }
        if let Ok(key) = str::from_utf8(key)
            && check::required_text("partitionkey", key).is_ok()
        {
            self.edit().key = Some(key.into());
        }
    }
}

/// Puts an extension in its place by name, and gives back what stood there.
pub(crate) fn insert(
    extensions: &mut Extensions,
    name: &str,
    value: AttributeValue,
) -> Result<Option<AttributeValue>, EnvelopeError> {
    match extensions.binary_search_by(|(other, _)| other.as_str().cmp(name)) {
        Ok(at) => Ok(Some(std::mem::replace(&mut extensions[at].1, value))),
        Err(_) if extensions.len() >= EnvelopeError::MOST_EXTENSIONS => Err(EnvelopeError::TooMany),
        Err(at) => {
            extensions.insert(at, (name.into(), value));
            Ok(None)
        }
    }
}

/// What an envelope says.
impl Envelope {
    /// What tells this event from every other of its source.
    pub fn id(&self) -> &EventId {
        &self.0.id
    }

    /// Where it happened: a URI-reference.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// What kind of event it is: the attribute `type`, which in fanfare is the event's name.
    pub fn kind(&self) -> &str {
        &self.0.kind
    }

    /// What it is about, within its source.
    pub fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }

    /// When it happened, to the nanosecond.
    pub fn time(&self) -> Option<SystemTime> {
        self.0.time
    }

    /// The media type of the payload: `datacontenttype`.
    pub fn content_type(&self) -> Option<&str> {
        self.0.content_type.as_deref()
    }

    /// The URI of the schema that the payload follows: `dataschema`.
    pub fn schema(&self) -> Option<&str> {
        self.0.schema.as_deref()
    }

    /// The key within which order is kept: `partitionkey`.
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// An extension attribute. The key is not among them: see [`key`](Envelope::key).
    pub fn extension(&self, name: &str) -> Option<&AttributeValue> {
        let extensions = &self.0.extensions;
        let at = extensions.binary_search_by(|(other, _)| other.as_str().cmp(name));
        at.ok().map(|at| &extensions[at].1)
    }

    /// All extension attributes, by name in ascending order.
    pub fn extensions(&self) -> impl Iterator<Item = (&str, &AttributeValue)> {
        self.0
            .extensions
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    /// When it loses its worth: the extension `expirytime`. `None` where there is none, or none
    /// that is a timestamp.
    pub fn expires(&self) -> Option<SystemTime> {
        match self.extension(EXPIRY_TIME)? {
            AttributeValue::Text(text) => time::parse(text).ok(),
            _ => None,
        }
    }

    /// The payload; empty if there is none.
    pub fn payload(&self) -> &Bytes {
        &self.0.payload
    }
}

impl PartialEq for Envelope {
    fn eq(&self, other: &Envelope) -> bool {
        let (a, b) = (&*self.0, &*other.0);
        (&a.id, &a.source, &a.kind, &a.subject) == (&b.id, &b.source, &b.kind, &b.subject)
            && (&a.time, &a.content_type, &a.schema, &a.key)
                == (&b.time, &b.content_type, &b.schema, &b.key)
            && a.payload == b.payload
            && self.same_extensions(other)
    }
}

impl Eq for Envelope {}

impl Envelope {
    fn same_extensions(&self, other: &Envelope) -> bool {
        let (ours, theirs) = (&self.0.extensions, &other.0.extensions);
        let same = |((a, x), (b, y)): (&(ArcStr, AttributeValue), &(ArcStr, AttributeValue))| {
            a == b && x.canonical() == y.canonical()
        };
        ours.len() == theirs.len() && ours.iter().zip(theirs).all(same)
    }
}
