//! The rules for an event.

use quote::ToTokens;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Attribute, Data, DeriveInput, Fields, LitStr, Member, Path, Token, Type, parse_quote};

use super::fields::by_hand;
use super::parse::Event;
use crate::attribute::name;
use crate::diagnostics::{Mistakes, did_you_mean, list};

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
    renamed(&event, &mut mistakes);
    compatibility(&event, &mut mistakes);
    one_of(
        event.arguments.codec.as_ref(),
        "codec",
        &CODECS,
        &mut mistakes,
    );
    avro_schema(&event, &mut mistakes);
    owned(&event, &mut mistakes);
    key(&event, &mut mistakes);
    version(&event, &mut mistakes);
    mistakes.unless(event)
}

/// What `by` derives must not be derived by hand again.
pub(crate) fn derived_again(attribute: &Attribute, by: &str, mistakes: &mut Mistakes) {
    let Some(paths) = derived(attribute) else {
        return;
    };
    let again: Vec<&Path> = paths.iter().filter(|path| is_ours(path)).collect();
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

/// What a `#[derive(...)]` derives.
fn derived(attribute: &Attribute) -> Option<Punctuated<Path, Token![,]>> {
    if !attribute.path().is_ident("derive") {
        return None;
    }
    let tokens = attribute.meta.require_list().ok()?.tokens.clone();
    Punctuated::parse_terminated.parse2(tokens).ok()
}

fn is_ours(path: &Path) -> bool {
    let last = path
        .segments
        .last()
        .map(|segment| segment.ident.to_string());
    last.is_some_and(|last| DERIVED.contains(&last.as_str()))
}

/// Takes out what `#[event]` derives itself.
pub(super) fn remove_derives(attributes: &mut [Attribute]) {
    for attribute in attributes {
        if let Some(paths) = derived(attribute) {
            let others = paths.iter().filter(|path| !is_ours(path));
            *attribute = parse_quote!(#[derive(#(#others),*)]);
        }
    }
}

/// Each name that it had before is another one.
fn renamed(event: &Event, mistakes: &mut Mistakes) {
    let mut known = vec![event.name()];
    for literal in &event.arguments.renamed_from {
        match name(literal, "event's former name") {
            Err(mistake) => mistakes.add(mistake),
            Ok(former) if former == known[0] => {
                let message =
                    format!("`{former}` is what it is called now: name what it was called before");
                mistakes.at(literal, message);
            }
            Ok(former) if known.contains(&former) => {
                mistakes.at(literal, format!("`{former}` is given twice; take one out"));
            }
            Ok(former) => known.push(former),
        }
    }
}

/// The kinds of compatibility, with the variant of each.
pub(super) const COMPATIBILITIES: [(&str, &str); 4] = [
    ("backward", "Backward"),
    ("forward", "Forward"),
    ("full", "Full"),
    ("none", "None"),
];

fn compatibility(event: &Event, mistakes: &mut Mistakes) {
    let known = COMPATIBILITIES.map(|(name, _)| name);
    one_of(
        event.arguments.compatibility.as_ref(),
        "compatibility",
        &known,
        mistakes,
    );
}

/// The codecs, of which some are features of fanfare.
pub(crate) const CODECS: [&str; 4] = ["json", "messagepack", "cbor", "avro"];

/// A schema of Avro is for an event in Avro.
fn avro_schema(event: &Event, mistakes: &mut Mistakes) {
    let (Some(schema), Some(codec)) = (&event.arguments.avro_schema, &event.arguments.codec) else {
        return;
    };
    let codec = codec.value();
    if codec != "avro" && CODECS.contains(&codec.as_str()) {
        let message = format!(
            "an event in `{codec}` has no Avro schema: take it out, or write `codec = \"avro\"`"
        );
        mistakes.at(schema, message);
    }
}

/// Whether it is, if it is given.
pub(crate) fn one_of(
    given: Option<&LitStr>,
    what: &str,
    known: &[&str],
    mistakes: &mut Mistakes,
) -> bool {
    let Some(literal) = given else { return true };
    let given = literal.value();
    let is_known = known.contains(&given.as_str());
    if !is_known {
        let message = format!(
            "there is no {what} `{given}`{}\nit is {}",
            did_you_mean(&given, known),
            list(known),
        );
        mistakes.at(literal, message);
    }
    is_known
}

/// What an event holds is its own: it is read from a message that is gone afterwards.
fn owned(event: &Event, mistakes: &mut Mistakes) {
    for borrowed in borrowed(&event.item) {
        let message = "an event owns what it carries, and this field borrows: write `String` for `&str`, `Vec<T>` for `&[T]`";
        mistakes.at(borrowed, message);
    }
}

/// Whether a field borrows.
pub(super) fn borrows(item: &DeriveInput) -> bool {
    borrowed(item).next().is_some()
}

fn borrowed(item: &DeriveInput) -> impl Iterator<Item = &Type> {
    let fields: Vec<&Fields> = match &item.data {
        Data::Struct(data) => vec![&data.fields],
        Data::Enum(data) => data
            .variants
            .iter()
            .map(|variant| &variant.fields)
            .collect(),
        Data::Union(_) => vec![],
    };
    let fields = fields
        .into_iter()
        .flatten()
        .filter(|field| !by_hand(&field.attrs));
    fields
        .map(|field| &field.ty)
        .filter(|kind| matches!(kind, Type::Reference(_)))
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
