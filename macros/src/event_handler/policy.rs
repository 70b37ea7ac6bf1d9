//! How a handler is tried: parsed, ruled on, and written out.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::ParseStream;
use syn::{Ident, LitInt, Token, parenthesized};

use crate::attribute::entries;
use crate::diagnostics::{Mistakes, did_you_mean};
use crate::duration::{constant, duration, range, text};

/// What the user says of a policy; the rest is the default.
#[derive(Default)]
pub(crate) struct Policy {
    attempts: Option<u32>,
    backoff: Option<(Duration, Duration)>,
    requeue: Option<bool>,
    timeout: Option<Duration>,
    concurrency: Option<(usize, Span)>,
    in_flight: Option<usize>,
    pub(super) batch: Option<Batch>,
    pub(super) deduplicate: bool,
}

/// `batch(max = 100, within = "1s")`, and where it stands.
pub(super) struct Batch {
    max: usize,
    within: Duration,
    place: Span,
}

/// `Policy::DEFAULT.in_flight`.
const IN_FLIGHT: usize = 256;

const ORDERS: &[&str] = &["in_order", "requeue"];

impl Policy {
    /// Parses what follows one of the keys that are a policy's.
    pub(crate) fn parse_entry(&mut self, key: &str, input: ParseStream<'_>) -> syn::Result<()> {
        match key {
            "retry" if input.peek(Token![=]) => self.requeue = Some(parse_order(input)?),
            "retry" => self.parse_retry(input)?,
            "timeout" => self.timeout = Some(duration(&text(input)?)?),
            "concurrency" => {
                let literal = number(input, "concurrency")?;
                self.concurrency = Some((count(&literal, "concurrency")?, literal.span()));
            }
            "batch" => self.batch = Some(batch(input)?),
            "deduplicate" => self.deduplicate = flag(input, "deduplicate")?,
            _ => self.in_flight = Some(count(&number(input, "in_flight")?, "in_flight")?),
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
                    "attempts" => {
                        self.attempts = Some(count(&number(input, "attempts")?, "attempts")?);
                    }
                    _ => self.backoff = Some(range(&text(input)?)?),
                }
                Ok(())
            },
        )
    }

    /// More under way than deliveries in flight cannot be.
    pub(crate) fn validate(&self, mistakes: &mut Mistakes) {
        let in_flight = self.in_flight.unwrap_or(IN_FLIGHT);
        let concurrency = self.concurrency.map_or(1, |(count, _)| count);
        let (needed, said, place) = match (&self.batch, self.concurrency) {
            (Some(batch), _) => {
                let max = batch.max;
                let said = match concurrency {
                    1 => format!("a batch of {max} is"),
                    many => format!("{many} batches of {max} at a time are"),
                };
                (max.saturating_mul(concurrency), said, batch.place)
            }
            (None, Some((count, place))) => (count, format!("`concurrency = {count}` is"), place),
            (None, None) => return,
        };
        if needed > in_flight {
            let message = format!(
                "{said} more than the {in_flight} deliveries in flight: write `in_flight = {needed}` too, or less here"
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
        let batch = self.batch.as_ref().map(|batch| {
            let (max, within) = (not_zero(batch.max), constant(batch.within));
            quote! {
                batch: ::core::option::Option::Some(#private::BatchPolicy {
                    max: #max,
                    within: #within,
                }),
            }
        });
        let deduplicate = self.deduplicate.then(|| quote!(deduplicate: true,));
        quote! {
            #private::Policy {
                #attempts #backoff #order #timeout #concurrency #in_flight #batch #deduplicate
                ..#private::Policy::DEFAULT
            }
        }
    }
}

/// `(max = 100, within = "1s")`.
fn batch(input: ParseStream<'_>) -> syn::Result<Batch> {
    if !input.peek(syn::token::Paren) {
        return Err(input.error(BATCH));
    }
    let content;
    let place = parenthesized!(content in input).span.join();
    let (mut max, mut within) = (None, None);
    entries(&content, "batch(...)", &["max", "within"], |key, input| {
        match key {
            "max" => {
                let literal = number(input, "max")?;
                max = Some((count(&literal, "max")?, literal.span()));
            }
            _ => within = Some(duration(&text(input)?)?),
        }
        Ok(())
    })?;
    match (max, within) {
        (Some((max, place)), Some(within)) => Ok(Batch { max, within, place }),
        _ => Err(syn::Error::new(place, BATCH)),
    }
}

const BATCH: &str = "a batch has a largest size, and a time that its first event waits for others: write `batch(max = 100, within = \"1s\")`";

/// A word by itself.
fn flag(input: ParseStream<'_>, word: &str) -> syn::Result<bool> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(true);
    }
    Err(input.error(format!("write `{word}` by itself")))
}

/// `= in_order` or `= requeue`.
fn parse_order(input: ParseStream<'_>) -> syn::Result<bool> {
    input.parse::<Token![=]>()?;
    let place = input.span();
    let ident = input.parse::<Ident>().map_err(|_| {
        let form = "write `retry(attempts = 5)` for how often an event is tried, or `retry = in_order` or `retry = requeue` for what happens to others meanwhile";
        syn::Error::new(place, form)
    })?;
    order(&ident)
}

/// `= 5`.
fn number(input: ParseStream<'_>, key: &str) -> syn::Result<LitInt> {
    input.parse::<Token![=]>()?;
    let place = input.span();
    let form = format!("a number stands here: write `{key} = 16`");
    input.parse().map_err(|_| syn::Error::new(place, form))
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

fn not_zero(count: usize) -> TokenStream {
    quote!(::core::num::NonZeroUsize::new(#count).unwrap())
}
