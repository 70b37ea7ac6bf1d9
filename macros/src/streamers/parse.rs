//! The struct as the user wrote it.

use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Data, DeriveInput, Fields, Ident, LitStr, Token, Type, Visibility, parenthesized};

use crate::attribute::{documentation, entries, value};

/// A struct with `#[derive(Streamers)]`.
pub(crate) struct Set {
    pub(crate) visibility: Visibility,
    pub(crate) ident: Ident,
    pub(crate) streamers: Vec<Streamer>,
}

/// One of its fields.
pub(crate) struct Streamer {
    pub(crate) field: Ident,
    pub(crate) kind: Type,
    pub(crate) documentation: String,
    pub(crate) given_name: Option<LitStr>,
    pub(crate) topics: Option<Vec<LitStr>>,
    pub(crate) codec: Option<LitStr>,
}

impl Streamer {
    /// The declared name: what is given, else the field's with `-` for `_`.
    pub(crate) fn name(&self) -> LitStr {
        self.given_name.clone().unwrap_or_else(|| {
            let field = self.field.to_string();
            let name = field.strip_prefix("r#").unwrap_or(&field).replace('_', "-");
            LitStr::new(&name, self.field.span())
        })
    }
}

pub(crate) fn set(input: DeriveInput) -> syn::Result<Set> {
    if !input.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(
            &input.generics,
            "a set of streamers has no generic parameters: write the streamers' own types",
        ));
    }
    let Data::Struct(data) = input.data else {
        return Err(not_a_struct(&input.ident));
    };
    let Fields::Named(fields) = data.fields else {
        return Err(not_a_struct(&input.ident));
    };
    let streamers = fields
        .named
        .into_iter()
        .map(streamer)
        .collect::<syn::Result<_>>()?;
    Ok(Set {
        visibility: input.vis,
        ident: input.ident,
        streamers,
    })
}

fn not_a_struct(ident: &Ident) -> syn::Error {
    let message = "`#[derive(Streamers)]` takes a struct with named fields, one for each streamer";
    syn::Error::new(ident.span(), message)
}

fn streamer(field: syn::Field) -> syn::Result<Streamer> {
    let documentation = documentation(&field.attrs);
    let mut given_name = None;
    let mut topics = None;
    let mut codec = None;
    for attribute in field.attrs.iter().filter(|a| a.path().is_ident("streamer")) {
        attribute.parse_args_with(|input: ParseStream<'_>| {
            entries(
                input,
                "#[streamer(...)]",
                &["name", "topics", "codec"],
                |key, input| {
                    match key {
                        "name" => given_name = Some(value(input)?),
                        "codec" => codec = Some(value(input)?),
                        _ => topics = Some(topic_list(input)?),
                    }
                    Ok(())
                },
            )
        })?;
    }
    let Some(ident) = field.ident else {
        return Err(syn::Error::new_spanned(
            field.ty,
            "a streamer is a named field",
        ));
    };
    Ok(Streamer {
        field: ident,
        kind: field.ty,
        documentation,
        given_name,
        topics,
        codec,
    })
}

fn topic_list(input: ParseStream<'_>) -> syn::Result<Vec<LitStr>> {
    let content;
    parenthesized!(content in input);
    let topics = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?;
    Ok(topics.into_iter().collect())
}
