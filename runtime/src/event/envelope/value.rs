//! The values that extension attributes have.

use std::borrow::Cow;
use std::fmt;

use arcstr::ArcStr;

/// The value of an extension attribute (`CloudEvents` 1.0.2, "Type System").
///
/// Boolean and Integer are kept apart because JSON does. Every other type (String, Binary, URI,
/// URI-reference, Timestamp) is text in its canonical encoding. In binary mode all values travel
/// as text, so that `true` arrives as `Text("true")`: compare the [`Display`](fmt::Display) form,
/// which is the canonical text, where that matters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AttributeValue {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number of 32 bits.
    Integer(i32),
    /// Text without control characters and noncharacters; it may be empty.
    Text(ArcStr),
}

impl AttributeValue {
    /// The canonical text, without allocating where the value is text.
    pub(crate) fn canonical(&self) -> Cow<'_, str> {
        match self {
            AttributeValue::Text(text) => Cow::Borrowed(text),
            other => Cow::Owned(other.to_string()),
        }
    }
}

impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttributeValue::Boolean(value) => fmt::Display::fmt(value, f),
            AttributeValue::Integer(value) => fmt::Display::fmt(value, f),
            AttributeValue::Text(value) => fmt::Display::fmt(value, f),
        }
    }
}

impl From<bool> for AttributeValue {
    fn from(value: bool) -> AttributeValue {
        AttributeValue::Boolean(value)
    }
}

impl From<i32> for AttributeValue {
    fn from(value: i32) -> AttributeValue {
        AttributeValue::Integer(value)
    }
}

impl From<&str> for AttributeValue {
    fn from(value: &str) -> AttributeValue {
        AttributeValue::Text(value.into())
    }
}

impl From<String> for AttributeValue {
    fn from(value: String) -> AttributeValue {
        AttributeValue::Text(value.into())
    }
}

impl From<ArcStr> for AttributeValue {
    fn from(value: ArcStr) -> AttributeValue {
        AttributeValue::Text(value)
    }
}
