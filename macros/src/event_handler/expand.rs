//! The proofs, the bridge from a delivery to the call, and the registration.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, ReturnType};

use super::parse::{Group as HandlerGroup, GuaranteeKind, Handler};
use crate::attribute::documentation;
use crate::fanfare;
use crate::target::Target;

pub(crate) fn handler(handler: &Handler) -> syn::Result<TokenStream> {
    let private = fanfare::private()?;
    let function = &handler.function;
    let sources = sources(handler, &private);
    let proofs = proofs(handler, &private);
    let handle = handle(handler, &private);
    let registration = registration(handler, &private);
    Ok(quote! {
        // It has to be async, also where it awaits nothing.
        #[allow(clippy::unused_async)]
        #function

        const _: () = {
            #sources
            #proofs
            #handle
            #registration
        };
    })
}

/// The types of the arguments: the event's, and the extractors'.
///
/// All tokens of a type get the span of its first: rustc reports a broken bound once for a span,
/// and would take `State` and `State<T>` for two.
fn arguments(handler: &Handler) -> (Option<TokenStream>, Vec<TokenStream>) {
    let mut types = handler
        .function
        .sig
        .inputs
        .iter()
        .filter_map(|input| match input {
            FnArg::Typed(input) => Some(with_one_span(input.ty.to_token_stream(), input.ty.span())),
            FnArg::Receiver(_) => None,
        });
    (types.next(), types.collect())
}

fn with_one_span(tokens: TokenStream, span: Span) -> TokenStream {
    let respan = |token| {
        let mut token = match token {
            TokenTree::Group(group) => {
                let inner = with_one_span(group.stream(), span);
                TokenTree::Group(Group::new(group.delimiter(), inner))
            }
            other => other,
        };
        token.set_span(span);
        token
    };
    tokens.into_iter().map(respan).collect()
}

/// A topic that has to be what `bound` asks for; a broken bound shows at the user's own tokens.
fn sources(handler: &Handler, private: &TokenStream) -> TokenStream {
    let targets = &handler.arguments.streamed_from;
    let count = targets.len();
    let listening = targets.iter().map(|target| {
        target.with_topic(|topic| {
            let bounds = bounds(handler, target, topic, private);
            let listening = quote_spanned!(target.span()=> #private::Listening::new(#topic));
            quote!(#bounds #listening)
        })
    });
    quote! {
        const SOURCES: [#private::Listening; #count] = [#(#listening),*];
    }
}

/// What the handler asks of the streamer, each proven once before the topic is used.
fn bounds(
    handler: &Handler,
    target: &Target,
    topic: &TokenStream,
    private: &TokenStream,
) -> TokenStream {
    let asked = handler.arguments.guarantee.iter().map(|guarantee| {
        let proof = match guarantee.kind {
            GuaranteeKind::Durable => quote!(is_durable),
            GuaranteeKind::Ordered => quote!(is_ordered),
        };
        let ident = format_ident!("topic", span = guarantee.ident.span());
        // The binding is `topic`; its use has the span of the word that asks.
        quote_spanned!(guarantee.ident.span()=> #private::proof::#proof(#ident);)
    });
    let shared = !matches!(handler.arguments.group, Some(HandlerGroup::EachInstance(_)));
    let groups =
        shared.then(|| quote_spanned!(target.span()=> #private::proof::has_groups(#topic);));
    quote!(#(#asked)* #groups)
}

/// The event is one that can be heard, and it is streamed to where the handler listens.
fn proofs(handler: &Handler, private: &TokenStream) -> TokenStream {
    let (Some(event), _) = arguments(handler) else {
        return TokenStream::new();
    };
    let name = handler_name(handler);
    let event_name = event.to_string();
    let is_input = quote_spanned!(event.span()=> #private::proof::is_input::<#event>());
    let heard = handler.arguments.streamed_from.iter().enumerate().map(|(at, target)| {
        // All of the call has the span of the user's topic, where it is refuted.
        quote_spanned!(target.topic_span()=> is_heard(TOPICS, SOURCES[#at].topic, #name, #event_name))
    });
    quote! {
        const HEARS: #private::Hears = {
            #is_input;
            <#event as #private::Input>::HEARS
        };
        const _: () = {
            use #private::proof::is_heard;
            const TOPICS: ::core::option::Option<&'static [#private::TopicName]> = {
                #is_input;
                <#event as #private::Input>::TOPICS
            };
            #(#heard;)*
        };
    }
}

fn handle(handler: &Handler, private: &TokenStream) -> TokenStream {
    let (event, extractors) = arguments(handler);
    let function = &handler.function.sig.ident;
    let is_input = event
        .as_ref()
        .map(|event| quote_spanned!(event.span()=> #private::proof::is_input::<#event>();));
    let are_extractors: TokenStream = extractors
        .iter()
        .map(|kind| quote_spanned!(kind.span()=> #private::proof::is_extractor::<#kind>();))
        .collect();
    let names: Vec<_> = (0..extractors.len())
        .map(|at| format_ident!("argument_{at}"))
        .collect();
    let extracted = extractors.iter().zip(&names).map(|(kind, name)| {
        quote_spanned! {kind.span()=>
            let #name = <#kind as #private::Extract>::extract(context).await.map_err(#private::Failure::Failed)?;
        }
    });
    let needs = extractors
        .iter()
        .map(|kind| quote_spanned!(kind.span()=> <#kind as #private::Extract>::needs(needs);));
    let output = match &handler.function.sig.output {
        ReturnType::Type(_, kind) => kind.span(),
        ReturnType::Default => function.span(),
    };
    let result = quote_spanned!(output=> #private::HandlerResult::into_result(result));
    // The function's span: that is where a future that is not `Send` is shown.
    let boxed = quote_spanned! {function.span()=>
        ::std::boxed::Box::pin(async move {
            #is_input
            #are_extractors
            let event = <#event as #private::Input>::read(context.message()).map_err(#private::undecodable)?;
            #(#extracted)*
            let result = #function(event #(, #names)*).await;
            #result.map_err(#private::Failure::Failed)
        })
    };
    quote! {
        fn needs(needs: &mut #private::Needs) {
            let _ = &needs;
            #are_extractors
            #(#needs)*
        }

        fn handle<'a>(context: &'a #private::Context) -> #private::BoxFuture<'a, #private::Outcome> {
            #boxed
        }
    }
}

fn registration(handler: &Handler, private: &TokenStream) -> TokenStream {
    let function = &handler.function.sig.ident;
    let name = handler_name(handler);
    let documentation = documentation(&handler.function.attrs);
    let group = match &handler.arguments.group {
        None => quote!(::core::option::Option::None),
        Some(HandlerGroup::Named(name)) => {
            quote!(::core::option::Option::Some(#private::GroupDeclaration::Named(#name)))
        }
        Some(HandlerGroup::EachInstance(_)) => {
            quote!(::core::option::Option::Some(#private::GroupDeclaration::EachInstance))
        }
    };
    let policy = handler.arguments.policy.expand(private);
    let dead_letters = match &handler.arguments.dead_letter {
        None => quote!(::core::option::Option::None),
        Some(target) => {
            let target = target
                .with_topic(|topic| quote_spanned!(target.span()=> #private::Target::new(#topic)));
            quote!(::core::option::Option::Some(#target))
        }
    };
    quote! {
        #private::inventory::submit! {
            #private::HandlerDeclaration {
                name: #name,
                function: ::core::concat!(::core::module_path!(), "::", ::core::stringify!(#function)),
                documentation: #documentation,
                hears: HEARS,
                sources: &SOURCES,
                group: #group,
                dead_letters: #dead_letters,
                policy: #policy,
                needs,
                handle,
                location: #private::Location { file: ::core::file!(), line: ::core::line!() },
            }
        }
    }
}

fn handler_name(handler: &Handler) -> String {
    match &handler.arguments.name {
        Some(name) => name.value(),
        None => {
            let name = handler.function.sig.ident.to_string();
            name.strip_prefix("r#").unwrap_or(&name).to_owned()
        }
    }
}
