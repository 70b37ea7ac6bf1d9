//! An envelope whose attributes are still being read.

use std::borrow::Cow;
use std::time::SystemTime;

use arcstr::{ArcStr, Substr, literal};
use bytes::Bytes;

use crate::event::envelope::{EnvelopeParts, Extensions, check, excerpt, insert, time};
use crate::event::{AttributeValue, Envelope, EnvelopeError, EventId};

/// What nearly all are of, which is neither looked at nor copied.
const JSON: &str = "application/json";

/// The attributes read so far, each checked as it comes.
#[derive(Default)]
pub(super) struct Draft<'a> {
    version: Option<()>,
    id: Option<EventId>,
    source: Option<Cow<'a, str>>,
    kind: Option<Cow<'a, str>>,
    subject: Option<Cow<'a, str>>,
    time: Option<SystemTime>,
    content_type: Option<Cow<'a, str>>,
    schema: Option<Cow<'a, str>>,
    key: Option<Cow<'a, str>>,
    extensions: Extensions,
}

impl<'a> Draft<'a> {
    /// Takes an attribute that came as text.
    pub(super) fn text(&mut self, name: &str, text: Cow<'a, str>) -> Result<(), EnvelopeError> {
        match name {
            "specversion" => once(&mut self.version, name, version(&text)?),
            "id" => once(&mut self.id, name, EventId::parse(&text)?),
            "source" => {
                check::source(&text)?;
                once(&mut self.source, name, text)
            }
            "type" => once(&mut self.kind, name, required("type", text)?),
            "subject" => once(&mut self.subject, name, required("subject", text)?),
            "time" => once(&mut self.time, name, time::parse(&text)?),
            "datacontenttype" => {
                if text != JSON {
                    check::content_type(&text)?;
                }
                once(&mut self.content_type, name, text)
            }
            "dataschema" => {
                check::schema(&text)?;
                once(&mut self.schema, name, text)
            }
            "partitionkey" => once(&mut self.key, name, required("partitionkey", text)?),
            _ => {
                check::text(name, &text)?;
                self.extension(name, AttributeValue::Text((&*text).into()))
            }
        }
    }

    /// Takes an extension of any type.
    pub(super) fn extension(
        &mut self,
        name: &str,
        value: AttributeValue,
    ) -> Result<(), EnvelopeError> {
        check::extension_name(name)?;
        match insert(&mut self.extensions, name, value)? {
            None => Ok(()),
            Some(_) => Err(EnvelopeError::Duplicate(name.into())),
        }
    }

    pub(super) fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The event, if nothing that is required is missing.
    pub(super) fn finish(self, payload: Bytes) -> Result<Envelope, EnvelopeError> {
        self.version.ok_or(EnvelopeError::Missing("specversion"))?;
        let id = self.id.ok_or(EnvelopeError::Missing("id"))?;
        let source = self.source.ok_or(EnvelopeError::Missing("source"))?;
        let kind = self.kind.ok_or(EnvelopeError::Missing("type"))?;
        let [subject, schema, key] = [&self.subject, &self.schema, &self.key].map(Option::as_deref);
        let content_type = self.content_type.as_deref();
        let is_json = content_type == Some(JSON);
        let mut texts = Texts::of([
            Some(&*source),
            Some(&*kind),
            subject,
            schema,
            key,
            content_type.filter(|_| !is_json),
        ]);
        Ok(Envelope::announce(EnvelopeParts {
            id,
            source: texts.next(&source),
            kind: texts.next(&kind),
            subject: subject.map(|text| texts.next(text)),
            schema: schema.map(|text| texts.next(text)),
            key: key.map(|text| texts.next(text)),
            content_type: match content_type {
                Some(JSON) => Some(Substr::full(literal!("application/json"))),
                other => other.map(|text| texts.next(text)),
            },
            time: self.time,
            extensions: self.extensions,
            payload,
        }))
    }
}

/// The texts of an event in one piece of memory, which is often made in one thread and freed in
/// another: they are taken in the order in which they were put there.
struct Texts {
    all: ArcStr,
    at: usize,
}

impl Texts {
    fn of(texts: [Option<&str>; 6]) -> Texts {
        let all = texts.map(Option::unwrap_or_default);
        Texts {
            all: all.concat().into(),
            at: 0,
        }
    }

    fn next(&mut self, text: &str) -> Substr {
        let from = self.at;
        self.at += text.len();
        self.all.substr(from..self.at)
    }
}

fn version(text: &str) -> Result<(), EnvelopeError> {
    match text {
        "1.0" => Ok(()),
        other => Err(EnvelopeError::SpecVersion(excerpt(other))),
    }
}

fn required<'a>(name: &'static str, text: Cow<'a, str>) -> Result<Cow<'a, str>, EnvelopeError> {
    check::required_text(name, &text)?;
    Ok(text)
}

/// Fills a slot that can be filled once.
fn once<T>(slot: &mut Option<T>, name: &str, value: T) -> Result<(), EnvelopeError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(EnvelopeError::Duplicate(name.into())),
    }
}
