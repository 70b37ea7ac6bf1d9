//! The rules for an event.

use quote::ToTokens;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Attribute, Data, Fields, Member, Path, Token};

use super::parse::Event;
use crate::attribute::name;
use crate::diagnostics::{Mistakes, did_you_mean};

const DERIVED: [&str; 3] = ["Serialize", "Deserialize", "JsonSchema"];

pub(crate) fn event(event: Event) -> syn::Result<Event> {
    let mut mistakes = Mistakes::default();
    if !event.item.generics.params.is_empty() {
        mistakes.at(
            &event.item.generics,
            "an event has no generic parameters: a name on the wire is one type; write the type out, or make one event for each",
        );
    }
    for attribute in &event.item.attrs {
        derived_again(attribute, "#[event]", &mut mistakes);
    }
    if let Some(literal) = &event.arguments.name
        && let Err(mistake) = name(literal, "event's name")
    {
        mistakes.add(mistake);
    }
    key(&event, &mut mistakes);
    version(&event, &mut mistakes);
    mistakes.unless(event)
}

/// What `by` derives must not be derived by hand again.
pub(crate) fn derived_again(attribute: &Attribute, by: &str, mistakes: &mut Mistakes) {
    if !attribute.path().is_ident("derive") {
        return;
    }
    let Ok(list) = attribute.meta.require_list() else {
        return;
    };
    let Ok(paths) = Punctuated::<Path, Token![,]>::parse_terminated.parse2(list.tokens.clone())
    else {
        return;
    };
    let again: Vec<&Path> = paths
        .iter()
        .filter(|path| {
            let last = path
                .segments
                .last()
                .map(|segment| segment.ident.to_string());
            last.is_some_and(|last| DERIVED.contains(&last.as_str()))
        })
        .collect();
    if let Some(first) = again.first() {
        let names: Vec<_> = again
            .iter()
            .map(|path| format!("`{}`", path.to_token_stream().to_string().replace(' ', "")))
            .collect();
        let names = names.join(" and ");
        mistakes.at(
            first,
            format!("`{by}` derives {names} already: take it out here"),
        );
    }
}

/// `key` names a field that the event has in each of its forms.
fn key(event: &Event, mistakes: &mut Mistakes) {
    let Some(key) = &event.arguments.key else {
        return;
    };
    let forms: Vec<(String, &Fields)> = match &event.item.data {
        Data::Struct(data) => vec![(event.item.ident.to_string(), &data.fields)],
        Data::Enum(data) => data
            .variants
            .iter()
            .map(|variant| {
                (
                    format!("{}::{}", event.item.ident, variant.ident),
                    &variant.fields,
                )
            })
            .collect(),
        Data::Union(_) => return,
    };
    let wanted = match key {
        Member::Named(ident) => ident.to_string(),
        Member::Unnamed(index) => index.index.to_string(),
    };
    for (form, fields) in forms {
        let names: Vec<String> = fields
            .members()
            .map(|member| member.to_token_stream().to_string())
            .collect();
        if names.contains(&wanted) {
            continue;
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let message = format!(
            "`{form}` has no field `{wanted}` to be its key{}",
            did_you_mean(&wanted, &names)
        );
        return mistakes.at(key, message);
    }
}

fn version(event: &Event, mistakes: &mut Mistakes) {
    let arguments = &event.arguments;
    let number = match &arguments.version {
        None => 1,
        Some(literal) => match literal.base10_parse::<u32>() {
            Ok(0) => return mistakes.at(literal, "versions begin at 1"),
            Ok(number) => number,
            Err(error) => return mistakes.at(literal, format!("no version: {error}")),
        },
    };
    match (&arguments.version, &arguments.previous) {
        (Some(literal), None) if number > 1 => mistakes.at(
            literal,
            format!(
                "version {number} follows version {}: name it with `previous = Type`",
                number - 1
            ),
        ),
        (_, Some(previous)) if number == 1 => mistakes.at(
            previous,
            "an event with a `previous` is at least `version = 2`: say which",
        ),
        _ => {}
    }
}
