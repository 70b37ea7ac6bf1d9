//! `streamer!("name", "topic")`, as it stands in `stream_to`, `streamed_from` and `dead_letter`.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Ident, LitStr, Macro, Token, bracketed, token};

const EXAMPLE: &str = "write `streamer!(\"name\", \"topic\")`, or an array of them";

/// One call of `streamer!`.
pub(crate) struct Target(Macro);

impl Parse for Target {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let begin = input.span();
        let mut call: Macro = input
            .parse()
            .map_err(|_| syn::Error::new(begin, format!("no topic of a streamer: {EXAMPLE}")))?;
        call.tokens = ungrouped(call.tokens);
        Ok(Target(call))
    }
}

impl Target {
    pub(crate) fn span(&self) -> Span {
        self.0.path.span()
    }

    /// The literal that names the topic, or all there is where there is none.
    pub(crate) fn topic_span(&self) -> Span {
        let mut tokens = self.0.tokens.clone().into_iter();
        tokens
            .nth(2)
            .map_or_else(|| self.span(), |literal| literal.span())
    }

    /// Two calls of the same text name the same topic.
    pub(crate) fn text(&self) -> String {
        self.0.to_token_stream().to_string()
    }

    /// An expression in which `topic` is the topic: `make` says what becomes of it.
    ///
    /// `streamer!` finds its module under the name `streamer`, so a call by a longer path brings
    /// both under that name first.
    pub(crate) fn with_topic(&self, make: impl FnOnce(&TokenStream) -> TokenStream) -> TokenStream {
        let Target(call) = self;
        let path = &call.path;
        let import = (!path.is_ident("streamer")).then(|| quote!(use #path as streamer;));
        let tokens = with_alias(&call.tokens);
        // The binding has the span of the user's `streamer`, where a broken bound is shown.
        let topic = quote_spanned!(self.span()=> topic);
        let name = quote_spanned!(path.span()=> streamer);
        let made = make(&topic);
        quote!({ #import let #topic = #name!(#tokens); #made })
    }
}

/// One target, or an array of them.
pub(crate) struct Targets(pub(crate) Vec<Target>);

impl Parse for Targets {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(token::Bracket) {
            return Ok(Targets(vec![input.parse()?]));
        }
        let content;
        let bracket = bracketed!(content in input);
        let targets = Punctuated::<Target, Token![,]>::parse_terminated(&content)?;
        if targets.is_empty() {
            let message = format!("the array is empty: {EXAMPLE}, or leave the key out");
            return Err(syn::Error::new(bracket.span.join(), message));
        }
        let targets: Vec<_> = targets.into_iter().collect();
        for (at, target) in targets.iter().enumerate() {
            if targets[..at]
                .iter()
                .any(|other| other.text() == target.text())
            {
                let message = "this topic is named twice; take one out";
                return Err(syn::Error::new(target.span(), message));
            }
        }
        Ok(Targets(targets))
    }
}

/// The proof that the topics of an array of targets differ: two may be written differently and be
/// one.
pub(crate) fn distinct(
    targets: &[Target],
    array: &TokenStream,
    private: &TokenStream,
) -> TokenStream {
    let count = targets.len();
    let topics = (0..count).map(|nth| quote!(#array[#nth].topic));
    let proofs = targets
        .iter()
        .enumerate()
        .map(|(nth, target)| quote_spanned!(target.topic_span()=> is_new(&TOPICS, #nth);));
    quote! {
        const _: () = {
            use #private::proof::is_new;
            const TOPICS: [#private::TopicName; #count] = [#(#topics),*];
            #(#proofs)*
        };
    }
}

/// Literals that came through a `macro_rules!` of the user's stand in invisible groups, which no
/// pattern of `streamer!` matches.
fn ungrouped(tokens: TokenStream) -> TokenStream {
    let open = |token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            ungrouped(group.stream())
        }
        other => other.into(),
    };
    tokens.into_iter().map(open).collect()
}

/// The arguments of `streamer!` with the alias of the streamer that they name, at the literal.
fn with_alias(arguments: &TokenStream) -> TokenStream {
    let name = |input: ParseStream<'_>| {
        let name = input.parse::<LitStr>();
        input.parse::<TokenStream>().and(name)
    };
    match name.parse2(arguments.clone()) {
        Ok(name) if !name.value().is_empty() => {
            let alias = Ident::new(&alias(&name.value()), name.span());
            quote!(@#alias #arguments)
        }
        _ => arguments.clone(),
    }
}

/// A streamer's name as an identifier, in which all signs are one.
pub(crate) fn alias(name: &str) -> String {
    let sign = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let alias: String = name.chars().map(sign).collect();
    match syn::parse_str::<Ident>(&alias) {
        Ok(_) => alias,
        // A keyword, or a digit first.
        Err(_) => format!("_{alias}"),
    }
}
