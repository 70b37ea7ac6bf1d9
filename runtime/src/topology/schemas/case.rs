//! What a case says of its values, keyword by keyword.

use serde_json::{Map, Value};

use super::view::{kind, values};

/// A schema without references and choices.
pub(super) type Case = Map<String, Value>;

pub(super) fn float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

pub(super) fn object(case: &Case, keyword: &str) -> Case {
    match case.get(keyword) {
        Some(Value::Object(members)) => members.clone(),
        _ => Case::new(),
    }
}

/// What fields may be that are not named.
pub(super) fn others(case: &Case) -> Option<Value> {
    let others = case.get("additionalProperties");
    others
        .or_else(|| case.get("unevaluatedProperties"))
        .cloned()
}

pub(super) fn required(case: &Case) -> Vec<String> {
    let names = match case.get("required") {
        Some(Value::Array(names)) => names.as_slice(),
        _ => &[],
    };
    let names = names.iter().filter_map(Value::as_str);
    names.map(str::to_owned).collect()
}

pub(super) fn bound(case: &Case, keyword: &str) -> Option<f64> {
    case.get(keyword)?.as_f64()
}

/// What numbers it takes: by the size that its format names, and by its bounds.
pub(super) fn range(case: &Case) -> (f64, f64) {
    let format = case.get("format").and_then(Value::as_str);
    let of_size = |bits: i32, is_signed: bool| {
        if is_signed {
            (-2_f64.powi(bits - 1), 2_f64.powi(bits - 1) - 1.0)
        } else {
            (0.0, 2_f64.powi(bits) - 1.0)
        }
    };
    let (least, most) = match format {
        Some("int8") => of_size(8, true),
        Some("int16") => of_size(16, true),
        Some("int32") => of_size(32, true),
        Some("int64" | "int") => of_size(64, true),
        Some("int128") => of_size(128, true),
        Some("uint8") => of_size(8, false),
        Some("uint16") => of_size(16, false),
        Some("uint32") => of_size(32, false),
        Some("uint64" | "uint") => of_size(64, false),
        Some("uint128") => of_size(128, false),
        _ => (f64::NEG_INFINITY, f64::INFINITY),
    };
    let lower = bound(case, "minimum").or_else(|| bound(case, "exclusiveMinimum"));
    let upper = bound(case, "maximum").or_else(|| bound(case, "exclusiveMaximum"));
    (
        lower.map_or(least, |lower| lower.max(least)),
        upper.map_or(most, |upper| upper.min(most)),
    )
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// How many cases are named that a value may be.
const NAMED: usize = 10;

/// What it may be, in words: `integer (int32) or null`.
pub(super) fn any_of<'c>(cases: impl IntoIterator<Item = &'c Case>) -> String {
    let mut named: Vec<String> = Vec::new();
    for case in cases {
        let words = described(case);
        if named.contains(&words) {
            continue;
        }
        if named.len() == NAMED {
            named.push("something else".to_owned());
            break;
        }
        named.push(words);
    }
    named.join(" or ")
}

/// What it is, in words: `integer (int32)`, `string "a", "b"`.
fn described(case: &Case) -> String {
    let kind = kind(case).unwrap_or_else(|| "anything".to_owned());
    if let Some(values) = values(case) {
        let values: Vec<_> = values.iter().map(Value::to_string).collect();
        return format!("{kind} {}", values.join(", "));
    }
    let said = [
        "format",
        "pattern",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
    ];
    let said: Vec<_> = said
        .iter()
        .filter_map(|keyword| match (*keyword, case.get(*keyword)?) {
            ("format", format) => Some(text(format)),
            (keyword, value) => Some(format!("{keyword} {value}")),
        })
        .collect();
    if said.is_empty() {
        kind
    } else {
        format!("{kind} ({})", said.join(", "))
    }
}
