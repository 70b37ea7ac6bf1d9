//! Errors: collected, worded, and each at the user's own token.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The mistakes found so far; all of them are reported at once.
#[derive(Default)]
pub(crate) struct Mistakes(Option<syn::Error>);

impl Mistakes {
    /// A mistake at these tokens.
    pub(crate) fn at(&mut self, place: impl ToTokens, message: impl Display) {
        self.add(syn::Error::new_spanned(place, message));
    }

    pub(crate) fn add(&mut self, mistake: syn::Error) {
        match &mut self.0 {
            Some(first) => first.combine(mistake),
            None => self.0 = Some(mistake),
        }
    }

    /// The value, if there was no mistake.
    pub(crate) fn unless<T>(self, value: T) -> syn::Result<T> {
        match self.0 {
            Some(mistakes) => Err(mistakes),
            None => Ok(value),
        }
    }

    /// An error for each; nothing where there is none.
    pub(crate) fn into_errors(self) -> TokenStream {
        self.0
            .map_or_else(TokenStream::new, syn::Error::into_compile_error)
    }
}

/// The name that a misspelt one probably means.
pub(crate) fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let given = given.to_lowercase();
    known
        .iter()
        .map(|name| {
            (
                strsim::normalized_damerau_levenshtein(&given, &name.to_lowercase()),
                *name,
            )
        })
        .filter(|(similarity, _)| *similarity >= 0.5)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name)
}

/// `; did you mean ...?` where there is something near.
pub(crate) fn did_you_mean(given: &str, known: &[&str]) -> String {
    nearest(given, known).map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// Names in backquotes, with commas.
pub(crate) fn list(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// The tokens of the expansion, or of the errors.
pub(crate) fn or_errors(expansion: syn::Result<TokenStream>) -> TokenStream {
    expansion.unwrap_or_else(syn::Error::into_compile_error)
}
