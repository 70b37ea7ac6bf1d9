//! Durations as people write them: `"250ms"`.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::ParseStream;
use syn::{LitStr, Token};

const FORM: &str = "write a number and a unit, such as \"250ms\", \"10s\" or \"5min\"";

/// Nobody waits longer.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// `= "10s"`.
pub(crate) fn text(input: ParseStream<'_>) -> syn::Result<LitStr> {
    input.parse::<Token![=]>()?;
    let place = input.span();
    let form = || syn::Error::new(place, format!("a time stands here: {FORM}"));
    input.parse().map_err(|_| form())
}

pub(crate) fn duration(literal: &LitStr) -> syn::Result<Duration> {
    parse_duration(&literal.value()).map_err(|error| syn::Error::new(literal.span(), error))
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text.trim()) {
        Ok(Duration::ZERO) => Err(format!("`{text}` is no time at all: {FORM}")),
        Ok(duration) if duration > LONGEST => Err(format!(
            "`{text}` is longer than a year: write a shorter time"
        )),
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("`{text}` is no duration ({error}): {FORM}")),
    }
}

/// `"100ms..30s"`, the shortest and the longest.
pub(crate) fn range(literal: &LitStr) -> syn::Result<(Duration, Duration)> {
    let wrong = |message: String| Err(syn::Error::new(literal.span(), message));
    let text = literal.value();
    let Some((shortest, longest)) = text.split_once("..") else {
        return wrong(format!(
            "`{text}` is no range: write the shortest and the longest pause, such as \"100ms..30s\""
        ));
    };
    match (parse_duration(shortest), parse_duration(longest)) {
        (Ok(shortest), Ok(longest)) if shortest <= longest => Ok((shortest, longest)),
        (Ok(_), Ok(_)) => wrong(format!(
            "the range runs the wrong way round: write \"{longest}..{shortest}\""
        )),
        (Err(error), _) | (_, Err(error)) => wrong(error),
    }
}

pub(crate) fn constant(duration: Duration) -> TokenStream {
    let (seconds, nanoseconds) = (duration.as_secs(), duration.subsec_nanos());
    quote!(::core::time::Duration::new(#seconds, #nanoseconds))
}
