//! `#[event]`.

mod expand;
mod fields;
mod parse;
mod validate;

use proc_macro2::TokenStream;

use crate::diagnostics::or_errors;

pub(crate) use expand::{derives, named};
pub(crate) use validate::{CODECS, derived_again, one_of};

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    or_errors(parse::item(item).and_then(|item| {
        let event = parse::event(arguments, item.clone()).and_then(validate::event);
        match event {
            Ok(event) => expand::event(&event),
            Err(mistake) => expand::mistaken(item, mistake),
        }
    }))
}
