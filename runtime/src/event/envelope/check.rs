//! The rules that attributes obey, each in one place (`CloudEvents` 1.0.2, "Context Attributes").

use std::fmt::{self, Display, Write};

use fluent_uri::{Uri, UriRef};

use super::error::{EnvelopeError, excerpt};

/// Names with a meaning of their own, which no extension can take.
const RESERVED: [&str; 11] = [
    "data",
    "datacontenttype",
    "dataschema",
    "id",
    "partitionkey",
    "source",
    "specversion",
    "subject",
    "time",
    "type",
    "data_base64",
];

/// "Type System": a text has no control characters and no noncharacters.
pub(crate) fn text(attribute: &str, text: &str) -> Result<(), EnvelopeError> {
    // Nearly all text is this, and checked several bytes at a time.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Ok(());
    }
    match text.chars().find(|c| is_disallowed(*c)) {
        None => Ok(()),
        Some(c) => Err(EnvelopeError::Character {
            attribute: excerpt(attribute),
            code: c.into(),
        }),
    }
}

fn is_disallowed(c: char) -> bool {
    let code = u32::from(c);
    c.is_control() || (0xFDD0..=0xFDEF).contains(&code) || code & 0xFFFE == 0xFFFE
}

/// The most characters of what is made [`printable`]: it travels in a header.
const LONGEST: usize = 1_000;

/// Anything, as a [`text`] and one line of the log: what is disallowed becomes a space, and what
/// is too long is cut off.
pub(crate) fn printable(said: impl Display) -> String {
    let mut printable = Printable {
        text: String::new(),
        room: LONGEST,
    };
    // An error of the writer says that it is full, and one of `said` that it has no more to say.
    let _ = write!(printable, "{said}");
    printable.text
}

struct Printable {
    text: String,
    room: usize,
}

impl Write for Printable {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for c in more.chars() {
            self.room = self.room.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(if is_disallowed(c) { ' ' } else { c });
        }
        Ok(())
    }
}

/// A text that must also say something.
pub(crate) fn required_text(attribute: &'static str, text: &str) -> Result<(), EnvelopeError> {
    if text.is_empty() {
        return Err(EnvelopeError::Empty(attribute));
    }
    self::text(attribute, text)
}

/// "source": a non-empty URI-reference.
pub(crate) fn source(text: &str) -> Result<(), EnvelopeError> {
    if is_plain(text) && !text.is_empty() && !text.starts_with("//") {
        return Ok(());
    }
    required_text("source", text)?;
    match UriRef::parse(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(EnvelopeError::Source(excerpt(text))),
    }
}

/// "dataschema": a non-empty URI. A fragment, which schema URIs often have, is accepted.
pub(crate) fn schema(text: &str) -> Result<(), EnvelopeError> {
    if let Some(name) = text.strip_prefix("urn:")
        && !name.starts_with("//")
        && name.split(':').all(is_plain)
    {
        return Ok(());
    }
    required_text("dataschema", text)?;
    match Uri::parse(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(EnvelopeError::Schema(excerpt(text))),
    }
}

/// What nearly all are made of, and what is a path in every place: the unreserved characters of RFC
/// 3986, section 2.3, and the slash. It need not be parsed.
fn is_plain(text: &str) -> bool {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.bytes().all(is_unreserved)
}

/// "datacontenttype": a media type by RFC 2045.
pub(crate) fn content_type(text: &str) -> Result<(), EnvelopeError> {
    required_text("datacontenttype", text)?;
    match MediaType::parse(text) {
        Some(_) => Ok(()),
        None => Err(EnvelopeError::ContentType(excerpt(text))),
    }
}

/// A name by the convention, and free for an extension.
pub(crate) fn extension_name(name: &str) -> Result<(), EnvelopeError> {
    if let Some(reserved) = RESERVED.iter().find(|reserved| **reserved == name) {
        return Err(EnvelopeError::Reserved(reserved));
    }
    if !is_attribute_name(name) {
        return Err(EnvelopeError::Name(excerpt(name)));
    }
    Ok(())
}

/// "Attribute Naming Convention".
pub(crate) fn is_attribute_name(name: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    !name.is_empty() && name.bytes().all(valid)
}

/// A media type by RFC 2045, section 5.1, taken apart as far as is needed here.
pub(crate) struct MediaType<'a> {
    kind: &'a str,
    subtype: &'a str,
    parameters: &'a str,
}

impl<'a> MediaType<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<MediaType<'a>> {
        let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
        let (kind, subtype) = essence.trim().split_once('/')?;
        (is_token(kind) && is_token(subtype)).then_some(MediaType {
            kind,
            subtype,
            parameters,
        })
    }

    /// Type and subtype are these, in any case.
    pub(crate) fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }

    /// `*/json` or `*/*+json` (JSON format, section 3.1.1).
    pub(crate) fn is_json(&self) -> bool {
        let suffix = self.subtype.rsplit('+').next().unwrap_or_default();
        suffix.eq_ignore_ascii_case("json")
    }

    pub(crate) fn is_text(&self) -> bool {
        self.kind.eq_ignore_ascii_case("text")
    }

    /// Whether its text is written in UTF-8, as it is where nothing else is said.
    pub(crate) fn is_utf8(&self) -> bool {
        self.charset().is_none_or(|charset| {
            charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii")
        })
    }

    fn charset(&self) -> Option<&'a str> {
        self.parameters.split(';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            let is_charset = name.trim().eq_ignore_ascii_case("charset");
            is_charset.then(|| value.trim().trim_matches('"'))
        })
    }
}

/// A token by RFC 2045: printable ASCII without spaces and without `tspecials`.
fn is_token(text: &str) -> bool {
    let is_special = |byte: u8| {
        matches!(
            byte,
            b'(' | b')' | b'<' | b'>' | b'@' | b',' | b';' | b':' | b'\\' | b'"'
        ) || matches!(byte, b'/' | b'[' | b']' | b'?' | b'=')
    };
    let valid = |byte: u8| byte.is_ascii_graphic() && !is_special(byte);
    !text.is_empty() && text.bytes().all(valid)
}

#[cfg(test)]
mod tests {
    use super::{Uri, UriRef, printable, schema, source};

    #[test]
    fn what_need_not_be_parsed_could_be() {
        let letters = ["a", "/", ":", "~", "#", "[", "urn:", ""];
        for number in 0..letters.len().pow(5) {
            let letter = |nth: u32| letters[number / letters.len().pow(nth) % letters.len()];
            let text: String = (0..5).map(letter).collect();
            let is_source = !text.is_empty() && UriRef::parse(&*text).is_ok();
            assert_eq!(source(&text).is_ok(), is_source, "{text}");
            assert_eq!(schema(&text).is_ok(), Uri::parse(&*text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_printable_is_one_bounded_line() {
        assert_eq!(printable("a\nb\u{0}c\u{FFFF}ä"), "a b c ä");
        assert_eq!(printable("ä".repeat(5_000)).chars().count(), 1_000);
    }
}
