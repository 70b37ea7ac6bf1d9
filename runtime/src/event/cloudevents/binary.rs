//! Binary mode: attributes as headers.

use std::borrow::Cow;
use std::fmt::{self, Write};

use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};

use super::Binding;
use super::draft::Draft;
use crate::event::envelope::{check, excerpt, time::Rfc3339};
use crate::event::{Envelope, EnvelopeError};

/// HTTP section 3.1.3.2: space, double quote, percent, and all that is no printable ASCII.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// A header of a required attribute tells an event from what is none. Without a prefix it could
/// be anyone's, but for the one that only events have.
pub(super) fn claims<N: AsRef<str>, V>(binding: &Binding, headers: &[(N, V)]) -> bool {
    headers.iter().any(
        |(header, _)| match attribute(binding, header.as_ref()).as_deref() {
            Some("specversion") => true,
            Some("id" | "source" | "type") => !prefix(binding).is_empty(),
            _ => false,
        },
    )
}

pub(super) fn read<N: AsRef<str>, V: AsRef<[u8]>>(
    binding: &Binding,
    headers: &[(N, V)],
    payload: &Bytes,
) -> Result<Envelope, EnvelopeError> {
    let mut draft = Draft::default();
    for (header, value) in headers {
        let (header, value) = (header.as_ref(), value.as_ref());
        if binding.has_datacontenttype_there && binding.is_content_type(header) {
            let text = utf8("datacontenttype", value)?;
            draft.text("datacontenttype", Cow::Borrowed(text))?;
        } else if let Some(name) = attribute(binding, header) {
            draft.text(&name, decode(binding, &name, value)?)?;
        }
    }
    draft.finish(payload.clone())
}

/// The attribute that a header holds, if it holds one.
fn attribute<'h>(binding: &Binding, header: &'h str) -> Option<Cow<'h, str>> {
    let name = binding
        .prefixes
        .iter()
        .find_map(|prefix| without_prefix(binding, prefix, header))?;
    if prefix(binding).is_empty() && !check::is_attribute_name(name) {
        return None;
    }
    let fold = binding.is_like_http && name.bytes().any(|byte| byte.is_ascii_uppercase());
    Some(if fold {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    })
}

fn without_prefix<'h>(binding: &Binding, prefix: &str, header: &'h str) -> Option<&'h str> {
    let (start, name) = header.split_at_checked(prefix.len())?;
    let is_same = start == prefix || binding.is_like_http && start.eq_ignore_ascii_case(prefix);
    is_same.then_some(name)
}

/// The prefix that is written.
fn prefix(binding: &Binding) -> &'static str {
    binding.prefixes.first().copied().unwrap_or_default()
}

fn utf8<'h>(attribute: &str, value: &'h [u8]) -> Result<&'h str, EnvelopeError> {
    str::from_utf8(value).map_err(|_| EnvelopeError::Utf8(excerpt(attribute)))
}

fn decode<'h>(
    binding: &Binding,
    attribute: &str,
    value: &'h [u8],
) -> Result<Cow<'h, str>, EnvelopeError> {
    if !binding.is_like_http {
        return utf8(attribute, value).map(Cow::Borrowed);
    }
    let invalid = || EnvelopeError::Utf8(excerpt(attribute));
    match unquote(value.trim_ascii()) {
        Cow::Borrowed(value) => percent_decode(value).decode_utf8().map_err(|_| invalid()),
        Cow::Owned(value) => match percent_decode(&value).decode_utf8() {
            Ok(text) => Ok(Cow::Owned(text.into_owned())),
            Err(_) => Err(invalid()),
        },
    }
}

/// Takes off the double quotes that earlier versions of the specification let a value have, and
/// the backslashes within them (HTTP section 3.1.3.2, RFC 7230 section 3.2.6).
fn unquote(value: &[u8]) -> Cow<'_, [u8]> {
    let Some(inner) = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
    else {
        return Cow::Borrowed(value);
    };
    if !inner.contains(&b'\\') {
        return Cow::Borrowed(inner);
    }
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied();
    while let Some(byte) = bytes.next() {
        plain.push(if byte == b'\\' {
            bytes.next().unwrap_or(byte)
        } else {
            byte
        });
    }
    Cow::Owned(plain)
}

pub(super) fn write(binding: &Binding, envelope: &Envelope, mut each: impl FnMut(&str, &str)) {
    let mut header = String::with_capacity(64);
    let (mut text, mut encoded) = (String::with_capacity(128), String::new());
    header.push_str(prefix(binding));
    let prefix = header.len();
    for_each_attribute(envelope, |name, value| {
        if name == "datacontenttype" && binding.has_datacontenttype_there {
            return each(
                binding.content_type,
                envelope.content_type().unwrap_or_default(),
            );
        }
        header.truncate(prefix);
        header.push_str(name);
        text.clear();
        let _ = write!(text, "{value}"); // a String takes all
        if !binding.is_like_http {
            return each(&header, &text);
        }
        encoded.clear();
        encoded.extend(utf8_percent_encode(&text, ESCAPED));
        each(&header, &encoded);
    });
}

/// Every attribute that the event has, by its name in the specification.
fn for_each_attribute(envelope: &Envelope, mut each: impl FnMut(&str, &dyn fmt::Display)) {
    each("specversion", &"1.0");
    each("id", envelope.id());
    each("source", &envelope.source());
    each("type", &envelope.kind());
    let texts = [
        ("subject", envelope.subject()),
        ("datacontenttype", envelope.content_type()),
        ("dataschema", envelope.schema()),
        ("partitionkey", envelope.key()),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            each(name, &text);
        }
    }
    if let Some(time) = envelope.time() {
        each("time", &Rfc3339(time));
    }
    for (name, value) in envelope.extensions() {
        each(name, value);
    }
}
