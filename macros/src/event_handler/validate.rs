//! The rules for a handler.

use syn::{Expr, FnArg, Lit, ReturnType, Safety, Type};

use super::parse::{Group, Handler, in_vec};
use crate::attribute::name;
use crate::diagnostics::Mistakes;

const FORM: &str = "write `async fn name(event: Event, ...) -> fanfare::Result<()>`";

pub(crate) fn handler(handler: Handler) -> syn::Result<Handler> {
    let mut mistakes = Mistakes::default();
    signature(&handler, &mut mistakes);
    parameters(&handler, &mut mistakes);
    names(&handler, &mut mistakes);
    guarantees(&handler, &mut mistakes);
    if let Some(from) = &handler.arguments.from
        && !handler.arguments.streamed_from.is_empty()
    {
        let message = "where a streamer's group starts is the streamer's: `from` is for handlers of the service's own events, without `streamed_from`";
        mistakes.at(&from.ident, message);
    }
    if let Some(Group::EachInstance(ident)) = &handler.arguments.group
        && handler.arguments.policy.deduplicate
    {
        let message = "what one instance has handled would count for all of them, and the others would miss it: take out `deduplicate`, or let the instances share the events";
        mistakes.at(ident, message);
    }
    json_schema(&handler, &mut mistakes);
    handler.arguments.policy.validate(&mut mistakes);
    mistakes.unless(handler)
}

fn signature(handler: &Handler, mistakes: &mut Mistakes) {
    let signature = &handler.function.sig;
    if signature.asyncness.is_none() {
        let message = format!("a handler is async: {FORM}");
        mistakes.at(signature.fn_token, message);
    }
    if let Safety::Unsafe(unsafety) = &signature.safety {
        mistakes.at(
            unsafety,
            "a handler is called by the runtime, so it is not `unsafe`",
        );
    }
    if !signature.generics.params.is_empty() {
        let message = "a handler has no generic parameters: it is registered once, for one event";
        mistakes.at(&signature.generics, message);
    }
    if matches!(signature.output, ReturnType::Default) {
        let message = format!(
            "a handler says how it ended, and this one returns nothing: {FORM} and end with `Ok(())`"
        );
        mistakes.at(&signature.ident, message);
    }
}

fn parameters(handler: &Handler, mistakes: &mut Mistakes) {
    let signature = &handler.function.sig;
    if let Some(receiver) = signature.receiver() {
        let message =
            "a handler is a free function without `self`: take what it needs as `State<T>`";
        return mistakes.at(receiver, message);
    }
    if signature.inputs.is_empty() {
        let message = format!("a handler takes the event it handles: {FORM}");
        return mistakes.at(&signature.ident, message);
    }
    for (at, input) in signature.inputs.iter().enumerate() {
        let FnArg::Typed(input) = input else { continue };
        let first = at == 0;
        let batch = handler.arguments.policy.batch.is_some();
        if first && batch != in_vec(&input.ty).is_some() {
            let message = if batch {
                "a handler with `batch(...)` takes its events as a `Vec`: write `Vec<Event>`"
            } else {
                "a handler takes one event; one that takes several says how they are gathered: add `batch(max = 100, within = \"1s\")`"
            };
            mistakes.at(&input.ty, message);
        } else if let Type::ImplTrait(kind) = &*input.ty {
            mistakes.at(
                kind,
                "a handler's arguments have types of their own: name the type",
            );
        } else if let Type::Reference(kind) = &*input.ty {
            let message = if first {
                "a handler takes its event by value: take out the `&`"
            } else {
                "a handler's arguments are taken by value: take out the `&`, or take `State<T>`"
            };
            mistakes.at(kind, message);
        }
    }
}

fn names(handler: &Handler, mistakes: &mut Mistakes) {
    let arguments = &handler.arguments;
    if let Some(literal) = &arguments.name
        && let Err(mistake) = name(literal, "handler's name")
    {
        mistakes.add(mistake);
    }
    match &arguments.group {
        Some(Group::Named(literal)) => {
            if let Err(mistake) = name(literal, "group's name") {
                mistakes.add(mistake);
            }
            if arguments.streamed_from.is_empty() {
                mistakes.at(literal, LOCAL_GROUP);
            }
        }
        Some(Group::EachInstance(ident)) if arguments.streamed_from.is_empty() => {
            mistakes.at(ident, LOCAL_GROUP);
        }
        _ => {}
    }
}

fn json_schema(handler: &Handler, mistakes: &mut Mistakes) {
    const TEXT: &str = "a JSON Schema is a text: write `json_schema = include_str!(\"order.schema.json\")`, or `json_schema` by itself for the event's own";
    let Some(schema) = &handler.arguments.json_schema else {
        return;
    };
    match &schema.text {
        Some(Expr::Lit(literal)) if !matches!(literal.lit, Lit::Str(_)) => {
            mistakes.at(literal, TEXT);
        }
        None if is_raw(handler) => {
            let message = "messages of any kind have no JSON Schema of their own: name the one, `json_schema = include_str!(\"order.schema.json\")`";
            mistakes.add(syn::Error::new(schema.place, message));
        }
        _ => {}
    }
}

/// Whether it takes `RawEvent`, as far as the tokens say it.
fn is_raw(handler: &Handler) -> bool {
    let Some(FnArg::Typed(input)) = handler.function.sig.inputs.first() else {
        return false;
    };
    let Type::Path(path) = in_vec(&input.ty).unwrap_or(&input.ty) else {
        return false;
    };
    let last = path.path.segments.last();
    last.is_some_and(|last| last.ident == "RawEvent")
}

const LOCAL_GROUP: &str = "a handler of the service's own events has no group to share them with: say `streamed_from`, or leave `group` out";

fn guarantees(handler: &Handler, mistakes: &mut Mistakes) {
    let guarantees = &handler.arguments.guarantee;
    for (at, guarantee) in guarantees.iter().enumerate() {
        if guarantees[..at]
            .iter()
            .any(|other| other.kind == guarantee.kind)
        {
            mistakes.at(
                &guarantee.ident,
                "this guarantee is named twice; take one out",
            );
        }
        if handler.arguments.streamed_from.is_empty() {
            let message = "a guarantee is a streamer's: say which with `streamed_from`";
            mistakes.at(&guarantee.ident, message);
        }
    }
}
