//! Whether what is written by one schema is read by another: of an event, which serde writes and
//! reads. Fields that nobody asks for are passed over, unless the reader says otherwise
//! (`additionalProperties: false`, which is `#[serde(deny_unknown_fields)]`).
//!
//! The rules are those of Confluent's Schema Registry ("Schema Evolution and Compatibility"): of the
//! kinds of compatibility, and of JSON Schema as far as a type may widen and not narrow. They differ
//! in one: a field that is new and need not be there is compatible, since who wrote before has not
//! written something else by its name.

use std::collections::HashSet;
use std::rc::Rc;

use serde_json::Value;

use super::case::{Case, any_of, bound, float, object, others, range, required, text};
use super::view::{cases, kind, label, values};

/// What is written and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// The field, with dots: `author.name`; empty for the event itself.
    pub(super) at: String,
    pub(super) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The reader needs it, and the writer may leave it out.
    Needed,
    /// The writer writes it, and the reader refuses what it does not know.
    Refused,
    /// The reader does not know this value or variant.
    Value(String),
    /// The reader reads another type, or less of it.
    Type { written: String, read: String },
    /// They differ in a keyword of which nothing is known here.
    Keyword(String),
    /// There is more to compare than is compared: nothing is known of it.
    TooMuch,
}

/// How many pairs of cases are compared, and how many may stand within each other: schemas of some
/// lines can describe more of them than anybody can look at.
const MOST: usize = 10_000;
const DEEPEST: usize = 100;

/// All of it; nothing where every value of the one can be read by the other.
pub(super) fn gaps(written: &Value, read: &Value) -> Vec<Gap> {
    let mut comparison = Comparison {
        written,
        read,
        seen: HashSet::new(),
        order: Vec::new(),
        left: MOST,
        depth: 0,
        gaps: Vec::new(),
    };
    comparison.schemas(written, read, "");
    comparison.gaps
}

struct Comparison<'s> {
    written: &'s Value,
    read: &'s Value,
    /// Pairs with references that are compared already: types may hold themselves.
    seen: HashSet<Pair>,
    /// The same, one after the other.
    order: Vec<Pair>,
    /// How much is still compared.
    left: usize,
    depth: usize,
    gaps: Vec<Gap>,
}

type Pair = Rc<(String, String)>;

/// What says of a string which it may be.
const OF_STRINGS: [&str; 4] = ["format", "pattern", "contentEncoding", "contentMediaType"];

/// What is understood here.
const KNOWN: [&str; 18] = [
    "additionalProperties",
    "const",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "patternProperties",
    "prefixItems",
    "properties",
    "required",
    "type",
    "unevaluatedProperties",
];

impl Comparison<'_> {
    fn gap(&mut self, at: &str, what: What) {
        let gap = Gap {
            at: at.to_owned(),
            what,
        };
        if !self.gaps.contains(&gap) {
            self.gaps.push(gap);
        }
    }

    fn schemas(&mut self, written: &Value, read: &Value, at: &str) {
        let pair = Rc::new((written.to_string(), read.to_string()));
        if pair.0.contains("\"$ref\"") {
            if !self.seen.insert(Rc::clone(&pair)) {
                return;
            }
            self.order.push(pair);
        }
        let cases = (cases(self.written, written), cases(self.read, read));
        let (Some(written), Some(read)) = cases else {
            return self.gap(at, What::TooMuch);
        };
        if self.depth >= DEEPEST {
            return self.gap(at, What::TooMuch);
        }
        self.depth += 1;
        for case in &written {
            self.one_of(case, (&written, &read), at);
        }
        self.depth -= 1;
    }

    /// What was seen since then was seen for nothing.
    fn forget(&mut self, since: usize) {
        for pair in self.order.drain(since..) {
            self.seen.remove(&pair);
        }
    }

    /// Whether one of the reader's cases reads it; else what is missing in the one that is meant.
    fn one_of(&mut self, written: &Case, (all, read): (&[Case], &[Case]), at: &str) {
        let mut trials: Vec<(&Case, Vec<Gap>)> = Vec::new();
        // The one that has stayed as it is reads it, more often than not.
        let (same, others): (Vec<_>, Vec<_>) = read.iter().partition(|case| *case == written);
        for case in same.into_iter().chain(others) {
            let Some(left) = self.left.checked_sub(1) else {
                return self.gap(at, What::TooMuch);
            };
            self.left = left;
            let since = self.order.len();
            let before = std::mem::take(&mut self.gaps);
            self.case(written, case, at);
            let gaps = std::mem::replace(&mut self.gaps, before);
            if gaps.is_empty() {
                return;
            }
            self.forget(since);
            trials.push((case, gaps));
        }
        let label_here = label(self.written, written);
        let meant = trials
            .iter()
            .find(|(case, _)| label_here.is_some() && label(self.read, case) == label_here);
        let is_of_type = |(case, _): &&(&Case, Vec<Gap>)| kind(case) == kind(written);
        let only = match &trials[..] {
            [only] if all.len() == 1 || label_here.is_none() => Some(only),
            _ if label_here.is_none() && trials.iter().filter(is_of_type).count() == 1 => {
                trials.iter().find(is_of_type)
            }
            _ => None,
        };
        match (meant.or(only), label_here) {
            (Some((_, gaps)), _) => {
                for gap in gaps {
                    self.told(gap, (all, read), at);
                }
            }
            (None, Some(label)) => self.gap(at, What::Value(text(&label))),
            (None, None) => self.gap(at, of_type(all, read)),
        }
    }

    /// What is of the wrong type is named with all that it may be: `string or null`.
    fn told(&mut self, gap: &Gap, (written, read): (&[Case], &[Case]), at: &str) {
        match &gap.what {
            What::Type { .. } if gap.at == at => self.gap(at, of_type(written, read)),
            what => self.gap(&gap.at, what.clone()),
        }
    }

    fn case(&mut self, written: &Case, read: &Case, at: &str) {
        if let Some(allowed) = values(read) {
            return self.among(written, &allowed, read, at);
        }
        let (one, other) = (kind(written), kind(read));
        let is_read = match (one.as_deref(), other.as_deref()) {
            (_, None) | (Some("integer"), Some("number")) => true,
            (one, other) => one == other,
        };
        if !is_read {
            return self.gap(at, of_type([written], [read]));
        }
        match other.as_deref() {
            Some("object") => self.objects(written, read, at),
            Some("array") => self.arrays(written, read, at),
            Some("integer" | "number") => self.numbers(written, read, at),
            Some("string") => self.strings(written, read, at),
            _ => {}
        }
        for (keyword, value) in read {
            let is_known =
                KNOWN.contains(&keyword.as_str()) || OF_STRINGS.contains(&keyword.as_str());
            let is_same = written.get(keyword) == Some(value)
                && (self.written == self.read || !value.to_string().contains("\"$ref\""));
            if !is_known && (!is_same || keyword == "$ref") {
                self.gap(at, What::Keyword(keyword.clone()));
            }
        }
    }

    fn among(&mut self, written: &Case, allowed: &[Value], read: &Case, at: &str) {
        let Some(values) = values(written) else {
            return self.gap(at, of_type([written], [read]));
        };
        for value in values.iter().filter(|value| !allowed.contains(value)) {
            self.gap(at, What::Value(text(value)));
        }
    }

    fn objects(&mut self, written: &Case, read: &Case, at: &str) {
        let (writes, reads) = (object(written, "properties"), object(read, "properties"));
        let always = required(written);
        for name in required(read) {
            if !always.contains(&name) {
                self.gap(&within(at, &name), What::Needed);
            }
        }
        for (name, property) in &writes {
            let at = within(at, name);
            match (reads.get(name), others(read)) {
                (Some(other), _) => self.schemas(property, other, &at),
                (None, Some(Value::Bool(false))) => self.gap(&at, What::Refused),
                (None, Some(other)) => self.schemas(property, &other, &at),
                (None, None) => {}
            }
        }
        self.maps(written, read, (&writes, &reads), at);
    }

    /// Fields of whatever name.
    fn maps(&mut self, written: &Case, read: &Case, (writes, reads): (&Case, &Case), at: &str) {
        let (patterns, known) = (
            object(written, "patternProperties"),
            object(read, "patternProperties"),
        );
        let any = within(at, "*");
        for (pattern, property) in &patterns {
            match (known.get(pattern), others(read)) {
                (Some(other), _) => self.schemas(property, other, &any),
                (None, Some(Value::Bool(false))) => self.gap(&any, What::Refused),
                (None, Some(other)) => self.schemas(property, &other, &any),
                (None, None) => {}
            }
        }
        let Some(one) = others(written).filter(|one| *one != Value::Bool(false)) else {
            return;
        };
        match others(read) {
            Some(Value::Bool(false)) => self.gap(&any, What::Refused),
            Some(other) => self.schemas(&one, &other, &any),
            None => {}
        }
        // One of them may be what is a field of its own now.
        for (name, other) in reads.iter().filter(|(name, _)| !writes.contains_key(*name)) {
            self.schemas(&one, other, &within(at, name));
        }
    }

    fn arrays(&mut self, written: &Case, read: &Case, at: &str) {
        let fixed = |case: &Case| match case.get("prefixItems") {
            Some(Value::Array(items)) => items.clone(),
            _ => Vec::new(),
        };
        let least = |case: &Case| bound(case, "minItems").unwrap_or(0.0);
        let most = |case: &Case| bound(case, "maxItems").unwrap_or(f64::INFINITY);
        if least(read) > least(written) || most(read) < most(written) {
            return self.gap(at, of_type([written], [read]));
        }
        let (writes, reads) = (fixed(written), fixed(read));
        let any = Value::Bool(true);
        let one = written.get("items").unwrap_or(&any);
        let other = read.get("items").unwrap_or(&any);
        for nth in 0..writes.len().max(reads.len()) {
            let (one, other) = (
                writes.get(nth).unwrap_or(one),
                reads.get(nth).unwrap_or(other),
            );
            self.schemas(one, other, &within(at, &nth.to_string()));
        }
        let is_longer = most(written) > float(writes.len().max(reads.len()));
        if is_longer && other != &any {
            self.schemas(one, other, &format!("{at}[]"));
        }
    }

    fn numbers(&mut self, written: &Case, read: &Case, at: &str) {
        let ((least, most), (from, to)) = (range(written), range(read));
        let is_float = |case: &Case| case.get("format").and_then(Value::as_str) == Some("float");
        let is_finer = kind(written).as_deref() == Some("number") && !is_float(written);
        if from > least || to < most || is_float(read) && is_finer {
            self.gap(at, of_type([written], [read]));
        }
    }

    fn strings(&mut self, written: &Case, read: &Case, at: &str) {
        let is_narrower = OF_STRINGS.iter().any(|keyword| {
            let asked = read.get(*keyword);
            asked.is_some() && asked != written.get(*keyword)
        });
        let least = |case: &Case| bound(case, "minLength").unwrap_or(0.0);
        let most = |case: &Case| bound(case, "maxLength").unwrap_or(f64::INFINITY);
        if is_narrower || least(read) > least(written) || most(read) < most(written) {
            self.gap(at, of_type([written], [read]));
        }
    }
}

fn of_type<'c>(
    written: impl IntoIterator<Item = &'c Case>,
    read: impl IntoIterator<Item = &'c Case>,
) -> What {
    What::Type {
        written: any_of(written),
        read: any_of(read),
    }
}

fn within(at: &str, name: &str) -> String {
    if at.is_empty() {
        name.to_owned()
    } else {
        format!("{at}.{name}")
    }
}
