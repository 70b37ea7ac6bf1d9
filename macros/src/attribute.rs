//! The arguments of an attribute: `key = value` and `key(...)`, each at most once.

use syn::parse::{Parse, ParseStream};
use syn::{Ident, LitStr, Token};

use crate::diagnostics::{did_you_mean, list};

/// Parses `key ...` entries separated by commas; `entry` parses what follows each known key.
pub(crate) fn entries(
    input: ParseStream<'_>,
    attribute: &str,
    known: &[&str],
    mut entry: impl FnMut(&str, ParseStream<'_>) -> syn::Result<()>,
) -> syn::Result<()> {
    entries_at(input, attribute, known, |key, input| {
        entry(&key.to_string(), input)
    })
}

/// As [`entries`], with the place of each key.
pub(crate) fn entries_at(
    input: ParseStream<'_>,
    attribute: &str,
    known: &[&str],
    mut entry: impl FnMut(&Ident, ParseStream<'_>) -> syn::Result<()>,
) -> syn::Result<()> {
    // `key = ...` and `key(...)` may say different things of one key.
    let mut seen: Vec<(String, bool)> = Vec::new();
    while !input.is_empty() {
        let key: Ident = input.parse().map_err(|error| {
            let what = format!("`{attribute}` takes {}", list(known));
            syn::Error::new(error.span(), what)
        })?;
        let name = key.to_string();
        if !known.contains(&name.as_str()) {
            let message = format!(
                "`{attribute}` has no `{name}`{}\nit takes {}",
                did_you_mean(&name, known),
                list(known),
            );
            return Err(syn::Error::new(key.span(), message));
        }
        let entry_seen = (name.clone(), input.peek(Token![=]));
        if seen.contains(&entry_seen) {
            let message = format!("`{name}` is given twice; take one out");
            return Err(syn::Error::new(key.span(), message));
        }
        entry(&key, input)?;
        seen.push(entry_seen);
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(())
}

/// `= value`.
pub(crate) fn value<T: Parse>(input: ParseStream<'_>) -> syn::Result<T> {
    input.parse::<Token![=]>()?;
    input.parse()
}

/// A name: a string literal with something in it that every log, header and URI can carry.
pub(crate) fn name(literal: &LitStr, what: &str) -> syn::Result<String> {
    let name = literal.value();
    if name.is_empty() {
        return Err(syn::Error::new(
            literal.span(),
            format!("the {what} is empty; give it a name"),
        ));
    }
    if let Some(bad) = name.chars().find(|c| c.is_control() || c.is_whitespace()) {
        return Err(syn::Error::new(
            literal.span(),
            format!("the {what} has {bad:?} in it; leave out white space and control characters"),
        ));
    }
    Ok(name)
}

/// The doc comment, as one text.
pub(crate) fn documentation(attributes: &[syn::Attribute]) -> String {
    let lines: Vec<String> = attributes
        .iter()
        .filter_map(|attribute| {
            let syn::Meta::NameValue(doc) = &attribute.meta else {
                return None;
            };
            let syn::Expr::Lit(literal) = &doc.value else {
                return None;
            };
            match &literal.lit {
                syn::Lit::Str(text) if doc.path.is_ident("doc") => Some(text.value()),
                _ => None,
            }
        })
        .map(|line| line.strip_prefix(' ').unwrap_or(&line).to_owned())
        .collect();
    lines.join("\n").trim().to_owned()
}
