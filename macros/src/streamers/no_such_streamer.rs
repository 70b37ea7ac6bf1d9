//! The answer to a `streamer!` that matches nothing declared.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Lit, LitStr, Token, bracketed};

use crate::diagnostics::{did_you_mean, list};

/// What is declared, then what was given.
struct Question {
    declared: Vec<(String, Vec<String>)>,
    given: TokenStream,
}

impl Parse for Question {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let content;
        bracketed!(content in input);
        let mut declared = Vec::new();
        while !content.is_empty() {
            let name: LitStr = content.parse()?;
            let topics;
            bracketed!(topics in content);
            let mut names = Vec::new();
            while !topics.is_empty() {
                names.push(topics.parse::<LitStr>()?.value());
            }
            declared.push((name.value(), names));
        }
        Ok(Question {
            declared,
            given: input.parse()?,
        })
    }
}

pub(crate) fn no_such_streamer(input: TokenStream) -> TokenStream {
    let mistake = match syn::parse2::<Question>(input) {
        Ok(question) => mistake(&question),
        Err(mistake) => mistake,
    };
    let message = mistake.to_string();
    quote_spanned!(mistake.span()=> ::core::compile_error!(#message))
}

fn mistake(question: &Question) -> syn::Error {
    let names: Vec<_> = question
        .declared
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let first = names.first().copied().unwrap_or("main");
    let form = format!(
        "write `streamer!(\"{first}\", \"topic\")`; declared are {}",
        list(&names)
    );

    let Ok((streamer, topic)) = syn::parse::Parser::parse2(given, question.given.clone()) else {
        let message = format!("`streamer!` takes a streamer's name and a topic's: {form}");
        return syn::Error::new_spanned(&question.given, message);
    };
    let Some((_, topics)) = question
        .declared
        .iter()
        .find(|(name, _)| *name == streamer.value())
    else {
        let message = format!(
            "no streamer is called `{}`{}\ndeclared are {}",
            streamer.value(),
            did_you_mean(&streamer.value(), &names),
            list(&names)
        );
        return syn::Error::new(streamer.span(), message);
    };
    let topics: Vec<_> = topics.iter().map(String::as_str).collect();
    let message = format!(
        "the streamer `{}` has no topic `{}`{}\nits topics are {}",
        streamer.value(),
        topic.value(),
        did_you_mean(&topic.value(), &topics),
        list(&topics)
    );
    syn::Error::new(topic.span(), message)
}

/// `"streamer", "topic"`.
fn given(input: ParseStream<'_>) -> syn::Result<(LitStr, LitStr)> {
    let literals = Punctuated::<Lit, Token![,]>::parse_terminated(input)?;
    let mut texts = literals.into_iter().map(|literal| match literal {
        Lit::Str(text) => Ok(text),
        other => Err(syn::Error::new(other.span(), "no text")),
    });
    match (texts.next(), texts.next(), texts.next()) {
        (Some(streamer), Some(topic), None) => Ok((streamer?, topic?)),
        _ => Err(input.error("not two")),
    }
}
