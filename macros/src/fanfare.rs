//! What this crate's user calls `fanfare`.

use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Ident;

/// The path to what generated code names, under whatever name the user depends on fanfare.
pub(crate) fn private() -> syn::Result<TokenStream> {
    let fanfare = match crate_name("fanfare") {
        // fanfare itself, its tests and its examples know it as `fanfare`, too.
        Ok(FoundCrate::Itself) => Ident::new("fanfare", Span::call_site()),
        Ok(FoundCrate::Name(name)) => Ident::new(&name, Span::call_site()),
        Err(_) => {
            return Err(syn::Error::new(
                Span::call_site(),
                "`fanfare` is not among this crate's dependencies: run `cargo add fanfare`",
            ));
        }
    };
    Ok(quote!(::#fanfare::__private))
}
