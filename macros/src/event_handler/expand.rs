//! The proofs, the bridge from a delivery to the call, and the registration.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, Ident, ReturnType};

use super::parse::{Group as HandlerGroup, GuaranteeKind, Handler, in_vec};
use crate::attribute::documentation;
use crate::fanfare;
use crate::target::{Target, distinct};

pub(crate) fn handler(handler: &Handler) -> syn::Result<TokenStream> {
    let private = fanfare::private()?;
    let function = &handler.function;
    let sources = sources(handler, &private);
    let proofs = proofs(handler, &private);
    let json_schema = json_schema(handler, &private);
    let handle = handle(handler, &private);
    let registration = registration(handler, &private);
    Ok(quote! {
        // It has to be async, also where it awaits nothing.
        #[allow(clippy::unused_async)]
        #function

        const _: () = {
            #sources
            #proofs
            #json_schema
            #handle
            #registration
        };
    })
}

/// The type of the event: that of the first argument, or of what is in it for a batch.
fn event(handler: &Handler) -> Option<TokenStream> {
    let FnArg::Typed(input) = handler.function.sig.inputs.first()? else {
        return None;
    };
    let kind = match &handler.arguments.policy.batch {
        Some(_) => in_vec(&input.ty)?,
        None => &input.ty,
    };
    Some(with_one_span(kind.to_token_stream(), kind.span()))
}

/// The types of the other arguments: the extractors'.
///
/// All tokens of a type get the span of its first: rustc reports a broken bound once for a span,
/// and would take `State` and `State<T>` for two.
fn extractors(handler: &Handler) -> Vec<TokenStream> {
    let inputs = handler.function.sig.inputs.iter().skip(1);
    inputs
        .filter_map(|input| match input {
            FnArg::Typed(input) => Some(with_one_span(input.ty.to_token_stream(), input.ty.span())),
            FnArg::Receiver(_) => None,
        })
        .collect()
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
        token.set_span(token.span().located_at(span));
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
            let new = match handler.arguments.dead_letter {
                None => quote!(new),
                Some(_) => quote!(without_dead_letters),
            };
            let listening = quote_spanned!(target.span()=> #private::Listening::#new(#topic));
            quote!(#bounds #listening)
        })
    });
    let dead_letters = match &handler.arguments.dead_letter {
        None => quote!(::core::option::Option::None),
        Some(target) => {
            let target = target
                .with_topic(|topic| quote_spanned!(target.span()=> #private::Target::new(#topic)));
            quote!(::core::option::Option::Some(#target))
        }
    };
    quote! {
        const SOURCES: [#private::Listening; #count] = [#(#listening),*];
        const DEAD_LETTERS: ::core::option::Option<#private::Target> = #dead_letters;
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
        let ident = format_ident!(
            "topic",
            span = target.span().located_at(guarantee.ident.span())
        );
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
    let Some(event) = event(handler) else {
        return TokenStream::new();
    };
    let name = handler_name(handler);
    let event_name = event.to_string();
    let is_input = quote_spanned!(event.span()=> #private::proof::is_input::<#event>());
    let heard = handler.arguments.streamed_from.iter().enumerate().map(|(nth, target)| {
        // All of the call has the span of the user's topic, where it is refuted.
        quote_spanned!(target.topic_span()=> is_heard(TOPICS, SOURCES[#nth].topic, #name, #event_name))
    });
    let distinct = distinct(&handler.arguments.streamed_from, &quote!(SOURCES), private);
    let elsewhere = handler.arguments.dead_letter.iter().map(|target| {
        let place = target.topic_span();
        let count = handler.arguments.streamed_from.len();
        let each = (0..count)
            .map(|nth| quote_spanned!(place=> is_elsewhere(DEAD_LETTERS, SOURCES[#nth].topic);));
        quote!(#(#each)*)
    });
    quote! {
        #distinct
        const _: () = {
            use #private::proof::is_elsewhere;
            #(#elsewhere)*
        };
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
    let event = event(handler);
    let extractors = extractors(handler);
    let batch = handler.arguments.policy.batch.is_some();
    let function = &handler.function.sig.ident;
    let is_input = event
        .as_ref()
        .map(|event| quote_spanned!(event.span()=> #private::proof::is_input::<#event>();));
    let (proof, extract, extracting) = if batch {
        ("is_batch_extractor", "ExtractBatch", "extract_batch")
    } else {
        ("is_extractor", "Extract", "extract")
    };
    let are_extractors: TokenStream = extractors
        .iter()
        .map(|kind| {
            let proof = Ident::new(proof, kind.span());
            quote_spanned!(kind.span()=> #private::proof::#proof::<#kind>();)
        })
        .collect();
    let names: Vec<_> = (0..extractors.len())
        .map(|nth| format_ident!("__fanfare_argument_{nth}"))
        .collect();
    // Names of ours in tokens that stand at the user's place: they mean the same in all of them,
    // also where a `macro_rules!` of the user's wrote the place.
    let ours = |name, place: Span| {
        format_ident!(
            "__fanfare_{name}",
            span = Span::call_site().located_at(place)
        )
    };
    let [context, needed, events, message] =
        ["context", "needs", "events", "message"].map(|name| ours(name, function.span()));
    let output = match &handler.function.sig.output {
        ReturnType::Type(_, kind) => kind.span(),
        ReturnType::Default => function.span(),
    };
    let result = ours("result", output);
    let extracted = extractors.iter().zip(&names).map(|(kind, name)| {
        // All of the call has the span of the user's type, where it is refuted.
        let [extract, extracting] = [extract, extracting].map(|name| Ident::new(name, kind.span()));
        quote_spanned! {kind.span()=>
            let #name = <#kind as #private::#extract>::#extracting(&#context).await?;
        }
    });
    let needs = extractors.iter().map(|kind| {
        let extract = Ident::new(extract, kind.span());
        quote_spanned!(kind.span()=> <#kind as #private::#extract>::needs(#needed);)
    });
    let outcome = if batch {
        quote_spanned! {output=>
            let #result = #private::BatchResult::into_results(#result, #context.len());
            #private::outcomes(#result, #context)
        }
    } else {
        quote_spanned!(output=> #private::HandlerResult::into_result(#result).map(|()| #context.into_staged()))
    };
    // The function's span: that is where a future that is not `Send` is shown.
    let boxed = quote_spanned! {function.span()=>
        ::std::boxed::Box::pin(async move {
            #are_extractors
            #(#extracted)*
            let #result = #function(#events #(, #names)*).await;
            #outcome
        })
    };
    let validated = validated(handler, &events, private);
    let has_schema = handler.arguments.json_schema.is_some();
    let checked = has_schema.then(|| quote!(JSON_SCHEMA.check(#message)?;));
    let checked_one = has_schema.then(|| quote!(JSON_SCHEMA.check(#context.readable())?;));
    let handle = if batch {
        quote_spanned! {function.span()=>
            fn __fanfare_handle(#context: ::std::vec::Vec<#private::Context>) -> #private::BatchCall {
                #is_input
                #private::read_batch::<#event>(#context, |#message, #events| {
                    let _ = #message;
                    #checked
                    #validated
                })
                    .call(|#events, #context| #boxed)
            }
        }
    } else {
        quote_spanned! {function.span()=>
            fn __fanfare_handle(
                #context: #private::Context,
            ) -> ::core::result::Result<#private::BoxFuture<'static, #private::Outcome>, #private::ReadError> {
                #is_input
                let #events = <#event as #private::Input>::read(#context.readable())?;
                #checked_one
                { let #events = &#events; #validated }?;
                ::core::result::Result::Ok(#boxed)
            }
        }
    };
    quote! {
        fn __fanfare_needs(#needed: &mut #private::Needs) {
            let _ = &#needed;
            #are_extractors
            #(#needs)*
        }

        #handle
    }
}

/// What its payloads have to be besides.
fn json_schema(handler: &Handler, private: &TokenStream) -> TokenStream {
    let Some(schema) = &handler.arguments.json_schema else {
        return TokenStream::new();
    };
    // The call has the span of the user's word, where a missing feature is shown.
    let place = schema.place;
    let (text, check) = match &schema.text {
        None => (None, quote_spanned!(place=> SchemaCheck::own())),
        Some(text) => {
            let name = text.to_token_stream().to_string().replace(' ', "");
            let text = with_one_span(text.to_token_stream(), text.span());
            let text = quote!(const TEXT: &::core::primitive::str = #text;);
            let check = quote_spanned!(place=> SchemaCheck::foreign(TEXT, #name));
            (Some(text), check)
        }
    };
    quote! {
        static JSON_SCHEMA: #private::SchemaCheck = {
            #text
            use #private::SchemaCheck;
            #check
        };
    }
}

/// What the user's own check says of an event that was read, by reference.
fn validated(handler: &Handler, event: &Ident, private: &TokenStream) -> TokenStream {
    let Some(check) = &handler.arguments.validate else {
        return quote!({ let _ = #event; ::core::result::Result::Ok::<(), #private::ReadError>(()) });
    };
    let name = check.to_token_stream().to_string().replace(' ', "");
    // All of the call has the span of the user's path, where it is refuted.
    let place = check.span();
    let event = Ident::new(&event.to_string(), event.span());
    quote_spanned!(place=> #private::validate(#event, #check, #name))
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
    let start = match &handler.arguments.from {
        Some(from) if from.beginning => quote!(#private::Start::Beginning),
        _ => quote!(#private::Start::Now),
    };
    let guarantees = handler.arguments.guarantee.iter().map(|guarantee| {
        let kind = match guarantee.kind {
            GuaranteeKind::Durable => quote!(Durable),
            GuaranteeKind::Ordered => quote!(Ordered),
        };
        quote!(#private::Guarantee::#kind)
    });
    let json_schema = match handler.arguments.json_schema {
        Some(_) => quote!(::core::option::Option::Some(&JSON_SCHEMA)),
        None => quote!(::core::option::Option::None),
    };
    let handle = match handler.arguments.policy.batch {
        Some(_) => quote!(#private::Handle::Batch(__fanfare_handle)),
        None => quote!(#private::Handle::One(__fanfare_handle)),
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
                dead_letters: DEAD_LETTERS,
                guarantees: &[#(#guarantees),*],
                start: #start,
                policy: #policy,
                needs: __fanfare_needs,
                json_schema: #json_schema,
                handle: #handle,
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
