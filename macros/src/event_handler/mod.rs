//! `#[event_handler]`.

mod expand;
mod parse;
mod policy;
mod validate;

use proc_macro2::TokenStream;

use crate::diagnostics::or_errors;

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let handler = parse::handler(arguments, item.clone()).and_then(validate::handler);
    or_errors(
        handler
            .and_then(|handler| expand::handler(&handler))
            .or_else(|mistake| {
                // The function stays, so that its other uses add no errors of their own.
                let mut tokens = mistake.into_compile_error();
                tokens.extend(item);
                Ok(tokens)
            }),
    )
}
