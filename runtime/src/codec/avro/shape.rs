//! A schema as it is read and written by: its parts in one list, each known by its place in it.

use serde_json::Value;

/// The place of a part.
pub(super) type At = usize;

/// A schema, resolved.
#[derive(Debug)]
pub(crate) struct Shape {
    parts: Vec<Part>,
    root: At,
    /// The full name, where it has one.
    name: Option<String>,
    length: usize,
}

/// A part of it.
#[derive(Debug)]
pub(super) enum Part {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(usize),
    Enum(Vec<String>),
    Array(At),
    Map(At),
    Union(Vec<At>),
    Record(Vec<Field>),
    Date,
    Time(Unit),
    Timestamp(Unit),
    LocalTimestamp(Unit),
    Decimal(Decimal),
    /// In its 16 bytes; one that is a text is a `String`.
    Uuid,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) part: At,
    pub(super) default: Option<Value>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    /// How many nanoseconds it is.
    pub(super) fn nanos(self) -> i64 {
        match self {
            Unit::Millis => 1_000_000,
            Unit::Micros => 1_000,
            Unit::Nanos => 1,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal {
    /// How many digits it may have.
    pub(super) precision: usize,
    pub(super) scale: usize,
    /// How many bytes, if that is fixed.
    pub(super) size: Option<usize>,
}

impl Shape {
    pub(super) fn new(parts: Vec<Part>, root: At, name: Option<String>, length: usize) -> Shape {
        Shape {
            parts,
            root,
            name,
            length,
        }
    }

    /// How many bytes of text it was made of.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    pub(super) fn root(&self) -> At {
        self.root
    }

    pub(super) fn part(&self, at: At) -> &Part {
        &self.parts[at]
    }

    /// The fields that have a default.
    pub(super) fn defaults(&self) -> impl Iterator<Item = (&Field, &Value)> {
        let fields = self.parts.iter().flat_map(|part| match part {
            Part::Record(fields) => fields.as_slice(),
            _ => &[],
        });
        fields.filter_map(|field| Some((field, field.default.as_ref()?)))
    }

    /// The full name of a record, an enum or a fixed.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}
