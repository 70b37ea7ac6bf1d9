//! Why something is no `CloudEvent`.

use arcstr::ArcStr;

/// Why a message, or what was asked of an [`Envelope`](super::Envelope), is no valid event by
/// the `CloudEvents` specification 1.0.2. Each message names the attribute and the rule.
///
/// Texts quoted from outside are cut to [`EnvelopeError::EXCERPT`] characters, and shown
/// escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// One of the required attributes `id`, `source`, `type`, `specversion` is not there.
    #[error("the required attribute `{0}` is missing")]
    Missing(&'static str),
    /// An attribute that must have a value has an empty one.
    #[error("the attribute `{0}` is empty: give it a value, or leave it out if it is optional")]
    Empty(&'static str),
    /// An attribute is given twice.
    #[error("the attribute {0:?} is given more than once")]
    Duplicate(ArcStr),
    /// The event follows another version of the specification.
    #[error("specversion is {0:?}, and only \"1.0\" is understood")]
    SpecVersion(ArcStr),
    /// An attribute name breaks the naming convention.
    #[error("{0:?} is no attribute name: one has only the characters a-z and 0-9")]
    Name(ArcStr),
    /// The name of an extension is one that the specification uses itself.
    #[error("`{0}` is no extension: it is an attribute with a meaning and a method of its own")]
    Reserved(&'static str),
    /// A text holds a character that the type `String` disallows.
    #[error(
        "the attribute `{attribute}` holds U+{code:04X}, a character that CloudEvents disallows"
    )]
    Character {
        /// The attribute.
        attribute: ArcStr,
        /// The character's code point.
        code: u32,
    },
    /// `source` is no URI-reference.
    #[error(
        "source is {0:?}, which is no URI-reference (RFC 3986): percent-encode what a URI cannot hold"
    )]
    Source(ArcStr),
    /// `dataschema` is no absolute URI.
    #[error("dataschema is {0:?}, which is no absolute URI (RFC 3986)")]
    Schema(ArcStr),
    /// `time` is no timestamp.
    #[error("time is {0:?}, which is no RFC 3339 timestamp of the years 0000 to 9999")]
    Time(ArcStr),
    /// `datacontenttype` is no media type.
    #[error(
        "datacontenttype is {0:?}, which is no media type (RFC 2045) such as \"application/json\""
    )]
    ContentType(ArcStr),
    /// A number is no 32-bit integer.
    #[error(
        "the attribute `{attribute}` is {number}, and not an integer from -2147483648 to 2147483647"
    )]
    Integer {
        /// The attribute.
        attribute: ArcStr,
        /// The number as it stands in the JSON text.
        number: ArcStr,
    },
    /// A JSON value is of a type that the attribute cannot have.
    #[error("the attribute `{attribute}` is a JSON {found}, which it cannot be")]
    Type {
        /// The attribute.
        attribute: ArcStr,
        /// The JSON type found.
        found: &'static str,
    },
    /// More extension attributes than [`EnvelopeError::MOST_EXTENSIONS`].
    #[error("more than {} extension attributes", EnvelopeError::MOST_EXTENSIONS)]
    TooMany,
    /// A header's value is no UTF-8, after percent-decoding where the binding has it.
    #[error("the header of the attribute `{0}` is not UTF-8")]
    Utf8(ArcStr),
    /// Both `data` and `data_base64` are there.
    #[error("both `data` and `data_base64` are given, and an event has one payload")]
    TwoPayloads,
    /// `data_base64` cannot be decoded.
    #[error("data_base64 is not base64 (RFC 4648): {0}")]
    Base64(ArcStr),
    /// `data` is no string although the content is not JSON.
    #[error(
        "data is a JSON {found} although datacontenttype is {content_type:?}, which asks for a string"
    )]
    Data {
        /// The declared media type.
        content_type: ArcStr,
        /// The JSON type found.
        found: &'static str,
    },
    /// `data` is a string whose declared character set is not understood.
    #[error(
        "data is a string although datacontenttype is {0:?}: only UTF-8 is understood, so send data_base64"
    )]
    Charset(ArcStr),
    /// The text is not JSON.
    #[error("not valid JSON: {0}")]
    Json(ArcStr),
    /// The JSON text is something else than an object.
    #[error("an event is a JSON object, and this is a JSON {0}")]
    NotAnObject(&'static str),
    /// The message is a batch of events.
    #[error(
        "a batch of events (application/cloudevents-batch) is not read: send each event by itself"
    )]
    Batch,
    /// The message is in an event format other than JSON.
    #[error("the event format {0:?} is not read: send application/cloudevents+json")]
    Format(ArcStr),
}

impl EnvelopeError {
    /// The most extension attributes an event can have.
    pub const MOST_EXTENSIONS: usize = 256;

    /// The most characters that an error keeps of a text that it quotes.
    pub const EXCERPT: usize = 80;
}

/// What an error keeps of `text`.
pub(crate) fn excerpt(text: &str) -> ArcStr {
    match text.char_indices().nth(EnvelopeError::EXCERPT) {
        None => ArcStr::from(text),
        Some((end, _)) => ArcStr::from(format!("{}...", &text[..end])),
    }
}
