//! `#[derive(Streamers)]`, and the `streamer!` that it makes.

mod expand;
mod no_such_streamer;
mod parse;
mod validate;

use proc_macro2::TokenStream;
use quote::quote;

pub(crate) use no_such_streamer::no_such_streamer;

use crate::diagnostics::or_errors;

pub(crate) fn derive(input: TokenStream) -> TokenStream {
    or_errors(syn::parse2(input).and_then(parse::set).map(|mut set| {
        let mistakes = validate::options(&mut set).into_errors();
        let set = validate::names(set).and_then(|set| expand::set(&set));
        let set = or_errors(set);
        quote!(#set #mistakes)
    }))
}
