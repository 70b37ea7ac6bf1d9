//! Which branch of a union takes a value.

use serde_json::Value;

use super::super::shape::{At, Part};
use super::super::{Fault, kind};
use super::Writer;

impl Writer<'_> {
    /// By the first branch that takes the value as it is; or else the first that rounds it.
    pub(super) fn union(
        &mut self,
        variants: &[At],
        value: &Value,
        depth: usize,
    ) -> Result<(), Fault> {
        let begun = self.to.len();
        let mut refused = Vec::new();
        let may_be = variants.iter().filter(|it| self.may_be(**it, value));
        // What is wrong with the only one is said, however wrong it is.
        let is_only = may_be.count() == 1;
        for rounding in [false, true] {
            for (nth, variant) in variants.iter().enumerate() {
                if !self.may_be(*variant, value)
                    || rounds(self.shape.part(*variant), value) != rounding
                    || !(is_only || self.is_like(*variant, value))
                {
                    continue;
                }
                self.count(nth);
                match self.value(*variant, value, depth) {
                    Ok(()) => return Ok(()),
                    Err(fault) => refused.push(fault),
                }
                self.to.truncate(begun);
                self.spend("too many branches of unions are alike")?;
            }
        }
        match refused.pop() {
            Some(fault) if refused.is_empty() => Err(fault),
            _ => Err(Fault::new(format!(
                "no branch of the union takes {}",
                kind(value)
            ))),
        }
    }

    /// Whether a branch is meant by the value: a tag says it.
    fn may_be(&self, variant: At, value: &Value) -> bool {
        match (self.shape.part(variant), value) {
            (Part::Null, value) => value.is_null(),
            (Part::Record(fields), Value::Object(values)) => fields.iter().all(|field| {
                match (self.shape.part(field.part), values.get(&field.name)) {
                    (Part::Enum(symbols), Some(Value::String(text))) => symbols.contains(text),
                    _ => true,
                }
            }),
            (_, value) => !value.is_null(),
        }
    }

    /// Whether a branch may take the value, by what is to be seen of it at once.
    fn is_like(&self, variant: At, value: &Value) -> bool {
        match (self.shape.part(variant), value) {
            (Part::Record(fields), Value::Object(values)) => fields.iter().all(|field| {
                values.contains_key(&field.name)
                    || field.default.is_some()
                    || self.may_be_null(field.part)
            }),
            (Part::Enum(symbols), Value::String(text)) => symbols.contains(text),
            (Part::Bytes | Part::Fixed(_), Value::String(_)) => self.is_default,
            (part, value) => match value {
                Value::Null => matches!(part, Part::Null),
                Value::Bool(_) => matches!(part, Part::Boolean),
                Value::Number(_) => is_number(part) || stands_for_something(part),
                Value::String(_) => {
                    matches!(part, Part::String | Part::Uuid) || stands_for_something(part)
                }
                Value::Array(_) => matches!(part, Part::Array(_) | Part::Bytes | Part::Fixed(_)),
                Value::Object(_) => matches!(part, Part::Map(_)),
            },
        }
    }
}

fn is_number(part: &Part) -> bool {
    matches!(part, Part::Int | Part::Long | Part::Float | Part::Double)
}

/// Of which there are texts and numbers.
fn stands_for_something(part: &Part) -> bool {
    matches!(
        part,
        Part::Date
            | Part::Time(_)
            | Part::Timestamp(_)
            | Part::LocalTimestamp(_)
            | Part::Decimal(_)
    )
}

/// Whether what is read again would be another number.
fn rounds(part: &Part, value: &Value) -> bool {
    let Value::Number(number) = value else {
        return false;
    };
    let Some(real) = number.as_f64() else {
        return false;
    };
    match part {
        #[allow(clippy::cast_possible_truncation, reason = "that is the question")]
        Part::Float => f64::from(real as f32).to_bits() != real.to_bits(),
        _ => false,
    }
}
