//! The schemas, compiled once.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::Declared;
use crate::codec::Plain;
use crate::dispatch::Hears;
use crate::event::read::declared_codec;
use crate::event::{Message, ReadError, Written, excerpt, printable};

/// How much of what is wrong is told: it travels in a header.
const TOLD: usize = 3;

/// How deep a payload may be nested for that, where a schema has choices that may lie in each other: each of
/// them says what is wrong with all below it, once for each choice.
const SHALLOW: usize = 8;

/// What a handler's `json_schema` asks of payloads.
#[derive(Debug)]
pub struct SchemaCheck {
    source: Source,
    compiled: OnceLock<Compiled>,
}

#[derive(Debug)]
enum Source {
    /// The event's own, of each version.
    Own,
    /// Any other, and how the code names it.
    Foreign {
        text: &'static str,
        name: &'static str,
    },
}

#[derive(Debug)]
enum Compiled {
    Own {
        event: &'static str,
        /// What a payload is taken for that says none.
        version: u32,
        versions: BTreeMap<u32, Schema>,
    },
    Foreign(Schema),
}

#[derive(Debug)]
struct Schema {
    validator: Validator,
    /// Whether it may take as long to say what is wrong as there are choices in choices of it.
    is_costly: bool,
}

impl SchemaCheck {
    /// By the event's own schema, of the version in which it was written.
    pub const fn own() -> Self {
        Self::of(Source::Own)
    }

    /// By the schema of this text, whatever the version.
    pub const fn foreign(text: &'static str, name: &'static str) -> Self {
        Self::of(Source::Foreign { text, name })
    }

    const fn of(source: Source) -> Self {
        SchemaCheck {
            source,
            compiled: OnceLock::new(),
        }
    }

    /// Once, at the start, of all that is declared; an error says why it is no schema.
    pub(crate) fn compile(
        &self,
        hears: Hears,
        declared: impl Iterator<Item = Declared>,
    ) -> Result<(), String> {
        if self.compiled.get().is_some() {
            return Ok(());
        }
        let compiled = match self.source {
            Source::Own => own(hears, declared)?,
            Source::Foreign { text, .. } => foreign(text)?,
        };
        // Another app of this program may have been faster, with the same.
        let _ = self.compiled.set(compiled);
        Ok(())
    }

    /// What the schema says of a payload as it came.
    ///
    /// # Errors
    /// [`ReadError::Schema`], or what keeps the payload from being read at all.
    pub fn check(&self, message: &Message) -> Result<(), ReadError> {
        let written = Written::in_message(message)?;
        let (by, schema) = self.schema(&written)?;
        let codec = declared_codec(written.content_type)?;
        let read = codec.read::<Plain>(written.payload);
        let invalid = |reason| ReadError::Schema {
            schema: schema.clone(),
            reason,
        };
        let Plain(payload) = read.map_err(|error| invalid(printable(error)))?;
        if by.validator.is_valid(&payload) {
            return Ok(());
        }
        Err(invalid(by.reasons(&payload)))
    }

    /// The one for a payload, and its name.
    fn schema(&self, written: &Written<'_>) -> Result<(&Schema, String), ReadError> {
        let name = match self.source {
            Source::Foreign { name, .. } => format!("`{name}`"),
            Source::Own => "of the event".to_owned(),
        };
        match self.compiled.get() {
            Some(Compiled::Foreign(schema)) => Ok((schema, name)),
            Some(Compiled::Own {
                event,
                version,
                versions,
            }) => {
                let version = written.version.unwrap_or(*version);
                let name = format!("of `{event}` v{version}");
                match versions.get(&version) {
                    Some(schema) => Ok((schema, name)),
                    None => Err(ReadError::Schema {
                        schema: name,
                        reason: "there is no such version".to_owned(),
                    }),
                }
            }
            // No app starts without.
            None => Err(ReadError::Schema {
                schema: name,
                reason: "it was never compiled".to_owned(),
            }),
        }
    }
}

/// Those of all versions that the handler reads.
fn own(hears: Hears, declared: impl Iterator<Item = Declared>) -> Result<Compiled, String> {
    let Hears::Event {
        name,
        former_names,
        version,
    } = hears
    else {
        return Err(
            "messages of any kind have no schema of their own: name one, `json_schema = ...`"
                .to_owned(),
        );
    };
    let is_called = |other: &str| other == name || former_names.contains(&other);
    let known = declared.filter(|(other, written, _)| is_called(other) && *written <= version);
    let mut versions = BTreeMap::new();
    for (name, version, schema) in known {
        let why = |error: String| format!("the schema of `{name}` v{version}: {error}");
        let schema = compiled(&schema().to_value(), true).map_err(why)?;
        versions.insert(version, schema);
    }
    Ok(Compiled::Own {
        event: name,
        version,
        versions,
    })
}

fn foreign(text: &str) -> Result<Compiled, String> {
    let schema: Value = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
    compiled(&schema, false).map(Compiled::Foreign)
}

/// Without a look at files or at the network, and with patterns whose time grows with the text alone.
/// Of an event's own schema a `format` holds; of another one, where its draft says so.
fn compiled(schema: &Value, is_own: bool) -> Result<Schema, String> {
    let mut options = jsonschema::options()
        .offline()
        .with_pattern_options(PatternOptions::regex());
    if is_own {
        options = options.should_validate_formats(true);
    }
    let built = options.build(schema);
    // Of a schema, which is no secret, with what is wrong.
    let validator = built.map_err(|error| place(&error, &error.to_string()))?;
    let text = schema.to_string();
    let has = |word: &str| text.contains(word);
    Ok(Schema {
        validator,
        is_costly: has("\"oneOf\"") || has("\"anyOf\""),
    })
}

impl Schema {
    /// The first few things that are wrong, each with where it is; without the values, which may be long
    /// and secret.
    fn reasons(&self, payload: &Value) -> String {
        if self.is_costly && is_deeper(payload, SHALLOW) {
            return "it does not fit, and is nested too deeply to say where".to_owned();
        }
        let mut errors = self.validator.iter_errors(payload);
        let told: Vec<_> = errors
            .by_ref()
            .take(TOLD)
            .map(|it| place(&it, &it.masked().to_string()))
            .collect();
        let told = told.join("; ");
        match errors.count() {
            0 => told,
            more => format!("{told}; and {more} more"),
        }
    }
}

/// Whether something is nested deeper. What was read is no deeper than the stack bears.
fn is_deeper(value: &Value, depth: usize) -> bool {
    let deeper = |value: &Value| depth == 0 || is_deeper(value, depth - 1);
    match value {
        Value::Array(all) => all.iter().any(deeper),
        Value::Object(all) => all.values().any(deeper),
        _ => false,
    }
}

/// What is wrong, and where.
fn place(error: &ValidationError<'_>, words: &str) -> String {
    let words = excerpt(words);
    match error.instance_path().as_str() {
        "" => words.to_string(),
        path => format!("{}: {words}", excerpt(path)),
    }
}
