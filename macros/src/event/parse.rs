//! The type and the arguments as the user wrote them.

use std::time::Duration;

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::token::Bracket;
use syn::{
    Attribute, Data, DeriveInput, Expr, Item, LitInt, LitStr, Member, Token, Type, bracketed,
};

use crate::attribute::{entries, value};
use crate::duration::{duration, text};
use crate::target::{Target, Targets};

/// A type with `#[event(...)]`.
pub(crate) struct Event {
    pub(crate) item: DeriveInput,
    pub(crate) arguments: Arguments,
}

impl Event {
    /// The name on the wire.
    pub(crate) fn name(&self) -> String {
        match &self.arguments.name {
            Some(name) => name.value(),
            None => self.item.ident.unraw().to_string(),
        }
    }
}

#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) stream_to: Vec<Target>,
    pub(crate) key: Option<Member>,
    pub(crate) name: Option<LitStr>,
    pub(crate) version: Option<LitInt>,
    pub(crate) previous: Option<Type>,
    pub(crate) renamed_from: Vec<LitStr>,
    pub(crate) compatibility: Option<LitStr>,
    pub(crate) codec: Option<LitStr>,
    pub(crate) avro_schema: Option<Expr>,
    pub(crate) expires_after: Option<Duration>,
}

impl Arguments {
    /// The version given, or 1.
    pub(crate) fn version_number(&self) -> u32 {
        let given = self.version.as_ref().map(LitInt::base10_parse);
        given.and_then(Result::ok).unwrap_or(1)
    }
}

const KEYS: &[&str] = &[
    "stream_to",
    "key",
    "name",
    "version",
    "previous",
    "renamed_from",
    "compatibility",
    "codec",
    "avro_schema",
    "expires_after",
];

pub(crate) fn item(item: TokenStream) -> syn::Result<DeriveInput> {
    match syn::parse2(item)? {
        Item::Struct(item) => Ok(DeriveInput::from(item)),
        Item::Enum(item) => Ok(DeriveInput::from(item)),
        other => {
            let message = "an event is a struct or an enum";
            Err(syn::Error::new_spanned(other, message))
        }
    }
}

pub(crate) fn event(arguments: TokenStream, item: DeriveInput) -> syn::Result<Event> {
    let arguments = parse_arguments.parse2(arguments)?;
    Ok(Event { item, arguments })
}

/// `= field`.
fn key_field(input: ParseStream<'_>) -> syn::Result<Member> {
    input.parse::<Token![=]>()?;
    let place = input.span();
    input
        .parse()
        .map_err(|_| syn::Error::new(place, "the key is a field: write `key = post_id`"))
}

/// `= "Name"` or `= ["Name", "OlderName"]`.
fn names(input: ParseStream<'_>) -> syn::Result<Vec<LitStr>> {
    input.parse::<Token![=]>()?;
    if !input.peek(Bracket) {
        return Ok(vec![input.parse()?]);
    }
    let list;
    bracketed!(list in input);
    let names = Punctuated::<LitStr, Token![,]>::parse_terminated(&list)?;
    Ok(names.into_iter().collect())
}

fn parse_arguments(input: ParseStream<'_>) -> syn::Result<Arguments> {
    let mut arguments = Arguments::default();
    entries(input, "#[event(...)]", KEYS, |key, input| {
        match key {
            "stream_to" => arguments.stream_to = value::<Targets>(input)?.0,
            "key" => arguments.key = Some(key_field(input)?),
            "name" => arguments.name = Some(value(input)?),
            "version" => arguments.version = Some(value(input)?),
            "previous" => arguments.previous = Some(value(input)?),
            "renamed_from" => arguments.renamed_from = names(input)?,
            "compatibility" => arguments.compatibility = Some(value(input)?),
            "codec" => arguments.codec = Some(value(input)?),
            "avro_schema" => arguments.avro_schema = Some(value(input)?),
            _ => arguments.expires_after = Some(duration(&text(input)?)?),
        }
        Ok(())
    })?;
    Ok(arguments)
}

/// The item with nothing in it that only a derive understands.
pub(super) fn without_helpers(mut item: DeriveInput) -> DeriveInput {
    let keep = |attributes: &mut Vec<Attribute>| {
        attributes.retain(|a| !a.path().is_ident("serde") && !a.path().is_ident("schemars"));
    };
    keep(&mut item.attrs);
    match &mut item.data {
        Data::Struct(data) => data
            .fields
            .iter_mut()
            .for_each(|field| keep(&mut field.attrs)),
        Data::Enum(data) => {
            for variant in &mut data.variants {
                keep(&mut variant.attrs);
                variant
                    .fields
                    .iter_mut()
                    .for_each(|field| keep(&mut field.attrs));
            }
        }
        Data::Union(_) => {}
    }
    item
}
