//! `#[payload]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use crate::diagnostics::{Mistakes, or_errors};
use crate::event::{derived_again, derives};
use crate::fanfare;

pub(crate) fn expand(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    or_errors(payload(arguments, item))
}

fn payload(arguments: TokenStream, item: &TokenStream) -> syn::Result<TokenStream> {
    let private = fanfare::private()?;
    let parsed: DeriveInput = syn::parse2(item.clone()).map_err(|error| {
        syn::Error::new(error.span(), "`#[payload]` stands on a struct or an enum")
    })?;
    let mut mistakes = Mistakes::default();
    if !arguments.is_empty() {
        mistakes.at(arguments, "`#[payload]` takes nothing");
    }
    for attribute in &parsed.attrs {
        derived_again(attribute, "#[payload]", &mut mistakes);
    }
    let derives = derives(&private);
    mistakes.unless(quote!(#derives #item))
}
