//! The function and the arguments as the user wrote them.

use proc_macro2::{Span, TokenStream};
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{
    Expr, GenericArgument, Ident, ItemFn, LitStr, Path, PathArguments, Token, Type, parenthesized,
};

use super::policy::Policy;
use crate::attribute::{entries_at, value};
use crate::diagnostics::did_you_mean;
use crate::target::{Target, Targets};

/// A function with `#[event_handler(...)]`.
pub(crate) struct Handler {
    pub(crate) function: ItemFn,
    pub(crate) arguments: Arguments,
}

#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) streamed_from: Vec<Target>,
    pub(crate) name: Option<LitStr>,
    pub(crate) group: Option<Group>,
    pub(crate) dead_letter: Option<Target>,
    pub(crate) guarantee: Vec<Guarantee>,
    pub(crate) from: Option<From>,
    pub(crate) validate: Option<Path>,
    pub(crate) json_schema: Option<JsonSchema>,
    pub(crate) policy: Policy,
}

pub(crate) enum Group {
    Named(LitStr),
    EachInstance(Ident),
}

/// `json_schema`, or `json_schema = SCHEMA`.
pub(crate) struct JsonSchema {
    pub(crate) place: Span,
    /// The text; the event's own where there is none.
    pub(crate) text: Option<Expr>,
}

/// `from = beginning` or `from = now`.
pub(crate) struct From {
    pub(crate) ident: Ident,
    pub(crate) beginning: bool,
}

/// `durable` or `ordered`, where it stands.
pub(crate) struct Guarantee {
    pub(crate) ident: Ident,
    pub(crate) kind: GuaranteeKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum GuaranteeKind {
    Durable,
    Ordered,
}

const KEYS: &[&str] = &[
    "streamed_from",
    "name",
    "group",
    "dead_letter",
    "guarantee",
    "from",
    "validate",
    "json_schema",
    "retry",
    "timeout",
    "concurrency",
    "in_flight",
    "batch",
    "deduplicate",
];

pub(crate) fn handler(arguments: TokenStream, item: TokenStream) -> syn::Result<Handler> {
    let function = syn::parse2::<ItemFn>(item).map_err(|error| {
        let message = format!("`#[event_handler]` stands on an async function: {error}");
        syn::Error::new(error.span(), message)
    })?;
    let arguments = parse_arguments.parse2(arguments)?;
    Ok(Handler {
        function,
        arguments,
    })
}

fn parse_arguments(input: ParseStream<'_>) -> syn::Result<Arguments> {
    let mut arguments = Arguments::default();
    entries_at(input, "#[event_handler(...)]", KEYS, |key, input| {
        match key.to_string().as_str() {
            "streamed_from" => arguments.streamed_from = value::<Targets>(input)?.0,
            "name" => arguments.name = Some(value(input)?),
            "group" => arguments.group = Some(value(input)?),
            "dead_letter" => arguments.dead_letter = Some(value(input)?),
            "guarantee" => arguments.guarantee = guarantees(input)?,
            "from" => arguments.from = Some(value(input)?),
            "validate" => arguments.validate = Some(value(input)?),
            "json_schema" => arguments.json_schema(key, input)?,
            policy => arguments.policy.parse_entry(policy, input)?,
        }
        Ok(())
    })?;
    Ok(arguments)
}

impl Arguments {
    /// What follows the key of this place.
    fn json_schema(&mut self, key: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        if self.json_schema.is_some() {
            let message = "`json_schema` is given twice; take one out";
            return Err(syn::Error::new(key.span(), message));
        }
        let text = if input.peek(Token![=]) {
            Some(value(input)?)
        } else {
            None
        };
        self.json_schema = Some(JsonSchema {
            place: key.span(),
            text,
        });
        Ok(())
    }
}

impl Parse for Group {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            return Ok(Group::Named(input.parse()?));
        }
        match input.parse::<Ident>() {
            Ok(ident) if ident == "each_instance" => Ok(Group::EachInstance(ident)),
            other => {
                let (span, given) = match other {
                    Ok(ident) => (ident.span(), ident.to_string()),
                    Err(error) => (error.span(), String::new()),
                };
                let message = format!(
                    "no group{}\nwrite a name, `group = \"...\"`, or `group = each_instance`",
                    did_you_mean(&given, &["each_instance"])
                );
                Err(syn::Error::new(span, message))
            }
        }
    }
}

impl Parse for From {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let ident: Ident = input.parse()?;
        let beginning = match ident.to_string().as_str() {
            "beginning" => true,
            "now" => false,
            other => {
                let message = format!(
                    "nothing starts from `{other}`{}\nwrite `from = beginning`, for all events that the store holds, or `from = now`",
                    did_you_mean(other, &["beginning", "now"])
                );
                return Err(syn::Error::new(ident.span(), message));
            }
        };
        Ok(From { ident, beginning })
    }
}

fn guarantees(input: ParseStream<'_>) -> syn::Result<Vec<Guarantee>> {
    let content;
    parenthesized!(content in input);
    let idents = Punctuated::<Ident, Token![,]>::parse_terminated(&content)?;
    if idents.is_empty() {
        return Err(
            content.error("`guarantee()` asks for nothing: write `durable`, `ordered` or both")
        );
    }
    idents.into_iter().map(guarantee).collect()
}

fn guarantee(ident: Ident) -> syn::Result<Guarantee> {
    let kind = match ident.to_string().as_str() {
        "durable" => GuaranteeKind::Durable,
        "ordered" => GuaranteeKind::Ordered,
        other => {
            let message = format!(
                "no guarantee is called `{other}`{}\nthere are `durable` and `ordered`",
                did_you_mean(other, &["durable", "ordered"])
            );
            return Err(syn::Error::new(ident.span(), message));
        }
    };
    Ok(Guarantee { ident, kind })
}

/// What is in a `Vec`, as far as the tokens say it.
pub(crate) fn in_vec(kind: &Type) -> Option<&Type> {
    let Type::Path(path) = kind else { return None };
    let last = path.path.segments.last()?;
    match &last.arguments {
        PathArguments::AngleBracketed(arguments) if last.ident == "Vec" => {
            match arguments.args.first()? {
                GenericArgument::Type(inner) => Some(inner),
                _ => None,
            }
        }
        _ => None,
    }
}
