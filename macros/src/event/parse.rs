//! The type and the arguments as the user wrote them.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::{Data, DeriveInput, Item, LitInt, LitStr, Member, Type};

use crate::attribute::{entries, value};
use crate::target::{Target, Targets};

/// A type with `#[event(...)]`.
pub(crate) struct Event {
    pub(crate) item: DeriveInput,
    pub(crate) arguments: Arguments,
}

#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) stream_to: Vec<Target>,
    pub(crate) key: Option<Member>,
    pub(crate) name: Option<LitStr>,
    pub(crate) version: Option<LitInt>,
    pub(crate) previous: Option<Type>,
}

impl Arguments {
    /// The version given, or 1.
    pub(crate) fn version_number(&self) -> u32 {
        let given = self.version.as_ref().map(LitInt::base10_parse);
        given.and_then(Result::ok).unwrap_or(1)
    }
}

const KEYS: &[&str] = &["stream_to", "key", "name", "version", "previous"];

pub(crate) fn event(arguments: TokenStream, item: TokenStream) -> syn::Result<Event> {
    let item: Item = syn::parse2(item)?;
    let item = match item {
        Item::Struct(item) => DeriveInput::from(item),
        Item::Enum(item) => DeriveInput::from(item),
        other => {
            let message = "an event is a struct or an enum";
            return Err(syn::Error::new_spanned(other, message));
        }
    };
    let arguments = parse_arguments.parse2(arguments)?;
    Ok(Event { item, arguments })
}

fn parse_arguments(input: ParseStream<'_>) -> syn::Result<Arguments> {
    let mut arguments = Arguments::default();
    entries(input, "#[event(...)]", KEYS, |key, input| {
        match key {
            "stream_to" => arguments.stream_to = value::<Targets>(input)?.0,
            "key" => arguments.key = Some(value(input)?),
            "name" => arguments.name = Some(value(input)?),
            "version" => arguments.version = Some(value(input)?),
            _ => arguments.previous = Some(value(input)?),
        }
        Ok(())
    })?;
    Ok(arguments)
}

/// The item with nothing in it that only a derive understands.
pub(crate) fn without_helpers(item: TokenStream) -> TokenStream {
    let Ok(mut parsed) = syn::parse2::<DeriveInput>(item.clone()) else {
        return item;
    };
    let keep = |attributes: &mut Vec<syn::Attribute>| {
        attributes.retain(|a| !a.path().is_ident("serde") && !a.path().is_ident("schemars"));
    };
    keep(&mut parsed.attrs);
    match &mut parsed.data {
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
    parsed.into_token_stream()
}
