//! `retry`, `timeout`, `concurrency` and `in_flight`: parsed, ruled on, and written out.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::ParseStream;
use syn::{Ident, LitInt, LitStr, Token, parenthesized};

use crate::attribute::{entries, value};
use crate::diagnostics::{Mistakes, did_you_mean};

/// What the user says of a policy; the rest is the default.
#[derive(Default)]
pub(crate) struct Policy {
    attempts: Option<u32>,
    backoff: Option<(Duration, Duration)>,
    requeue: Option<bool>,
    timeout: Option<Duration>,
    concurrency: Option<(usize, Span)>,
    in_flight: Option<usize>,
}

/// `Policy::DEFAULT.in_flight`.
const IN_FLIGHT: usize = 256;

const ORDERS: &[&str] = &["in_order", "requeue"];

impl Policy {
    /// Parses what follows one of the keys that are a policy's.
    pub(crate) fn parse_entry(&mut self, key: &str, input: ParseStream<'_>) -> syn::Result<()> {
        match key {
            "retry" if input.peek(Token![=]) => self.requeue = Some(order(&value(input)?)?),
            "retry" => self.parse_retry(input)?,
            "timeout" => self.timeout = Some(duration(&value(input)?)?),
            "concurrency" => {
                let literal = value(input)?;
                self.concurrency = Some((count(&literal, "concurrency")?, literal.span()));
            }
            _ => self.in_flight = Some(count(&value(input)?, "in_flight")?),
        }
        Ok(())
    }

    fn parse_retry(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let content;
        parenthesized!(content in input);
        entries(
            &content,
            "retry(...)",
            &["attempts", "backoff"],
            |key, input| {
                match key {
                    "attempts" => self.attempts = Some(count(&value(input)?, "attempts")?),
                    _ => self.backoff = Some(range(&value(input)?)?),
                }
                Ok(())
            },
        )
    }

    /// More attempts under way than deliveries in flight cannot be.
    pub(crate) fn validate(&self, mistakes: &mut Mistakes) {
        let in_flight = self.in_flight.unwrap_or(IN_FLIGHT);
        if let Some((count, place)) = self.concurrency
            && count > in_flight
        {
            let message = format!(
                "`concurrency = {count}` is more than the {in_flight} deliveries in flight: write `in_flight = {count}` too, or less concurrency"
            );
            mistakes.add(syn::Error::new(place, message));
        }
    }

    /// The policy as a constant.
    pub(crate) fn expand(&self, private: &TokenStream) -> TokenStream {
        let attempts = self.attempts.map(|attempts| quote!(attempts: #attempts,));
        let backoff = self.backoff.map(|(shortest, longest)| {
            let (shortest, longest) = (constant(shortest), constant(longest));
            quote!(shortest_pause: #shortest, longest_pause: #longest,)
        });
        let order = self.requeue.map(|requeue| {
            let order = if requeue {
                quote!(Requeue)
            } else {
                quote!(InOrder)
            };
            quote!(order: #private::RetryOrder::#order,)
        });
        let timeout = self.timeout.map(|timeout| {
            let timeout = constant(timeout);
            quote!(timeout: ::core::option::Option::Some(#timeout),)
        });
        let concurrency = self.concurrency.map(|(count, _)| {
            let count = not_zero(count);
            quote!(concurrency: #count,)
        });
        let in_flight = self.in_flight.map(|count| {
            let count = not_zero(count);
            quote!(in_flight: #count,)
        });
        quote! {
            #private::Policy {
                #attempts #backoff #order #timeout #concurrency #in_flight
                ..#private::Policy::DEFAULT
            }
        }
    }
}

fn order(ident: &Ident) -> syn::Result<bool> {
    match ident.to_string().as_str() {
        "in_order" => Ok(false),
        "requeue" => Ok(true),
        other => Err(syn::Error::new(
            ident.span(),
            format!(
                "no way to retry is called `{other}`{}\nwrite `retry = in_order`, so that later events of the key wait, or `retry = requeue`, so that they overtake it",
                did_you_mean(other, ORDERS)
            ),
        )),
    }
}

/// A number from 1.
fn count<N: std::str::FromStr<Err: std::fmt::Display> + PartialEq + From<u8>>(
    literal: &LitInt,
    what: &str,
) -> syn::Result<N> {
    let number: N = literal.base10_parse()?;
    if number == N::from(0) {
        let message = format!("`{what}` is at least 1");
        return Err(syn::Error::new(literal.span(), message));
    }
    Ok(number)
}

const DURATION: &str = "write a number and a unit, such as \"250ms\", \"10s\" or \"5min\"";

fn duration(literal: &LitStr) -> syn::Result<Duration> {
    parse_duration(&literal.value()).map_err(|error| syn::Error::new(literal.span(), error))
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text.trim()) {
        Ok(Duration::ZERO) => Err(format!("`{text}` is no time at all: {DURATION}")),
        Ok(duration) if duration > LONGEST => Err(format!(
            "`{text}` is longer than a year: write a shorter time"
        )),
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("`{text}` is no duration ({error}): {DURATION}")),
    }
}

/// Nobody waits longer for a handler.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// `"100ms..30s"`, the shortest and the longest.
fn range(literal: &LitStr) -> syn::Result<(Duration, Duration)> {
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

fn constant(duration: Duration) -> TokenStream {
    let (seconds, nanoseconds) = (duration.as_secs(), duration.subsec_nanos());
    quote!(::core::time::Duration::new(#seconds, #nanoseconds))
}

fn not_zero(count: usize) -> TokenStream {
    quote!(::core::num::NonZeroUsize::new(#count).unwrap())
}
