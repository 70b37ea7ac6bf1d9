//! An envelope whose attributes are still being read.

use std::time::SystemTime;

use arcstr::ArcStr;
use bytes::Bytes;

use crate::event::envelope::{EnvelopeParts, Extensions, check, excerpt, insert, time};
use crate::event::{AttributeValue, Envelope, EnvelopeError, EventId};

/// The attributes read so far, each checked as it comes.
#[derive(Default)]
pub(super) struct Draft {
    version: Option<()>,
    id: Option<EventId>,
    source: Option<ArcStr>,
    kind: Option<ArcStr>,
    subject: Option<ArcStr>,
    time: Option<SystemTime>,
    content_type: Option<ArcStr>,
    schema: Option<ArcStr>,
    key: Option<ArcStr>,
    extensions: Extensions,
}

impl Draft {
    /// Takes an attribute that came as text.
    pub(super) fn text(&mut self, name: &str, text: &str) -> Result<(), EnvelopeError> {
        match name {
            "specversion" => once(&mut self.version, name, version(text)?),
            "id" => once(&mut self.id, name, EventId::parse(text)?),
            "source" => {
                check::source(text)?;
                once(&mut self.source, name, text.into())
            }
            "type" => once(&mut self.kind, name, required("type", text)?),
            "subject" => once(&mut self.subject, name, required("subject", text)?),
            "time" => once(&mut self.time, name, time::parse(text)?),
            "datacontenttype" => once(&mut self.content_type, name, content_type(text)?),
            "dataschema" => {
                check::schema(text)?;
                once(&mut self.schema, name, text.into())
            }
            "partitionkey" => once(&mut self.key, name, required("partitionkey", text)?),
            _ => {
                check::text(name, text)?;
                self.extension(name, AttributeValue::Text(text.into()))
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
        Ok(Envelope::announce(EnvelopeParts {
            id: self.id.ok_or(EnvelopeError::Missing("id"))?,
            source: self.source.ok_or(EnvelopeError::Missing("source"))?,
            kind: self.kind.ok_or(EnvelopeError::Missing("type"))?,
            subject: self.subject,
            time: self.time,
            content_type: self.content_type,
            schema: self.schema,
            key: self.key,
            extensions: self.extensions,
            payload,
        }))
    }
}

fn version(text: &str) -> Result<(), EnvelopeError> {
    match text {
        "1.0" => Ok(()),
        other => Err(EnvelopeError::SpecVersion(excerpt(other))),
    }
}

fn required(name: &'static str, text: &str) -> Result<ArcStr, EnvelopeError> {
    check::required_text(name, text)?;
    Ok(text.into())
}

/// Nearly all are of one type, which is neither looked at nor copied.
fn content_type(text: &str) -> Result<ArcStr, EnvelopeError> {
    const JSON: ArcStr = arcstr::literal!("application/json");
    if text == JSON {
        return Ok(JSON);
    }
    check::content_type(text)?;
    Ok(text.into())
}

/// Fills a slot that can be filled once.
fn once<T>(slot: &mut Option<T>, name: &str, value: T) -> Result<(), EnvelopeError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(EnvelopeError::Duplicate(name.into())),
    }
}
