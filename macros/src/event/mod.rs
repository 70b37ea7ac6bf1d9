//! `#[event]`.

mod expand;
mod fields;
mod parse;
mod validate;

use proc_macro2::TokenStream;

use crate::diagnostics::or_errors;

pub(crate) use expand::derives;
pub(crate) use validate::derived_again;

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    // The item comes back as it was even where the arguments are wrong, so that its other uses
    // add no errors of their own.
    let event = parse::event(arguments, item.clone()).and_then(validate::event);
    or_errors(
        event
            .and_then(|event| expand::event(&event))
            .or_else(|mistake| {
                let mut tokens = mistake.into_compile_error();
                tokens.extend(parse::without_helpers(item));
                Ok(tokens)
            }),
    )
}
