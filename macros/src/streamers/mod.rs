//! `#[derive(Streamers)]`, and the `streamer!` that it makes.

mod expand;
mod no_such_streamer;
mod parse;
mod validate;

use proc_macro2::TokenStream;

pub(crate) use no_such_streamer::no_such_streamer;

use crate::diagnostics::or_errors;

pub(crate) fn derive(input: TokenStream) -> TokenStream {
    or_errors(syn::parse2(input).and_then(|input| {
        let set = parse::set(input)?;
        let set = validate::set(set)?;
        expand::set(&set)
    }))
}
