//! `streamer!`, its module, and the registration.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, Visibility};

use super::parse::{Set, Streamer};
use crate::diagnostics::list;
use crate::fanfare;
use crate::target::alias;

pub(crate) fn set(set: &Set) -> syn::Result<TokenStream> {
    let private = fanfare::private()?;
    let macro_and_module = streamer_macro(set, &private);
    let registration = registration(set, &private);
    Ok(quote! {
        #macro_and_module
        #registration
    })
}

/// The macro, exported under a name of its own and imported as `streamer`; and the module of the
/// same name, in which its expansion finds the streamers' types wherever it is called.
fn streamer_macro(set: &Set, private: &TokenStream) -> TokenStream {
    let Set {
        visibility, ident, ..
    } = set;
    let unique = unique_name(ident);
    let export = matches!(visibility, Visibility::Public(_))
        .then(|| quote!(#[macro_export] #[doc(hidden)] #[allow(non_local_definitions)]));
    let arms = set.streamers.iter().map(arms);
    let declared = set.streamers.iter().map(|streamer| {
        let name = streamer.name();
        let topics = streamer.topics.iter().flatten();
        quote!(#name [#(#topics)*])
    });
    let hidden = set.streamers.iter().map(|streamer| {
        let (parent, kind) = (parent_alias(streamer), &streamer.kind);
        quote!(#[doc(hidden)] #[allow(non_camel_case_types, dead_code)] #visibility type #parent = #kind;)
    });
    let aliases = set.streamers.iter().map(|streamer| {
        let (parent, documentation) = (parent_alias(streamer), &streamer.documentation);
        let alias = Ident::new(&alias(&streamer.name().value()), streamer.field.span());
        quote!(#[doc = #documentation] pub type #alias = super::#parent;)
    });
    let documentation = macro_documentation(set);
    quote! {
        #(#hidden)*
        #[doc(hidden)]
        #[allow(dead_code)]
        const __FANFARE_SET: &str = ::core::concat!(::core::module_path!(), "::", ::core::stringify!(#ident));

        #export
        macro_rules! #unique {
            #(#arms)*
            (@$alias:ident $($given:tt)*) => {
                streamer::__fanfare::no_such_streamer! { [#(#declared)*] $($given)* }
            };
            ($($given:tt)*) => { streamer!(@__ $($given)*) };
        }

        #[doc = #documentation]
        #[allow(unused_imports)]
        #visibility use #unique as streamer;

        /// The types behind `streamer!`.
        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code, unused_imports)]
        #visibility mod streamer {
            pub use #private as __fanfare;
            pub const __SET: &str = super::__FANFARE_SET;
            #(#aliases)*
        }
    }
}

/// What `streamer!` makes of this streamer's name with each of its topics, or with any.
///
/// Our attributes hand on the streamer's alias too, as the user's own literal stands for it: so an
/// editor that is asked for the literal's definition finds the field.
fn arms(streamer: &Streamer) -> TokenStream {
    let name = streamer.name();
    let alias = Ident::new(&alias(&name.value()), Span::call_site());
    let arm = |topic: TokenStream, value: TokenStream| {
        quote! {
            (@$alias:ident #name, #topic $(,)?) => {
                streamer::__fanfare::Topic::<streamer::$alias>::new(streamer::__SET, #name, #value)
            };
            (#name, #topic $(,)?) => {
                streamer::__fanfare::Topic::<streamer::#alias>::new(streamer::__SET, #name, #value)
            };
        }
    };
    match &streamer.topics {
        Some(topics) => topics
            .iter()
            .map(|topic| arm(quote!(#topic), quote!(#topic)))
            .collect(),
        None => arm(quote!($topic:literal), quote!($topic)),
    }
}

fn registration(set: &Set, private: &TokenStream) -> TokenStream {
    let ident = &set.ident;
    let declarations = set.streamers.iter().map(|streamer| {
        let (name, documentation) = (streamer.name(), &streamer.documentation);
        let kind = &streamer.kind;
        let topics = match &streamer.topics {
            Some(topics) => quote!(::core::option::Option::Some(&[#(#topics),*])),
            None => quote!(::core::option::Option::None),
        };
        quote! {
            #private::StreamerDeclaration {
                name: #name,
                kind: ::core::stringify!(#kind),
                topics: #topics,
                documentation: #documentation,
            }
        }
    });
    let connections = set.streamers.iter().map(|streamer| {
        let (name, field, kind) = (streamer.name(), &streamer.field, &streamer.kind);
        // The type's span: that is where a type that is no streamer is shown.
        quote_spanned!(kind.span()=> #private::Connection::new::<#kind>(#name, self.#field))
    });
    quote! {
        const _: () = {
            const DECLARATION: #private::SetDeclaration = #private::SetDeclaration {
                set: __FANFARE_SET,
                streamers: &[#(#declarations),*],
                location: #private::Location { file: ::core::file!(), line: ::core::line!() },
            };

            #private::inventory::submit! { DECLARATION }

            #[automatically_derived]
            impl #private::StreamerSet for #ident {
                fn declaration() -> &'static #private::SetDeclaration {
                    &DECLARATION
                }

                fn connections(self) -> ::std::vec::Vec<#private::Connection> {
                    ::std::vec![#(#connections),*]
                }
            }
        };
    }
}

fn parent_alias(streamer: &Streamer) -> Ident {
    format_ident!("__fanfare_streamer_{}", alias(&streamer.name().value()))
}

/// A name for the exported macro that no other set of the crate has: exported macros share one
/// name space, and two modules may hold structs of one name.
fn unique_name(ident: &Ident) -> Ident {
    let place = ident.span().unwrap();
    let mut hasher = DefaultHasher::new();
    (place.file(), place.line(), place.column()).hash(&mut hasher);
    format_ident!("__fanfare_{}_{:x}", ident, hasher.finish())
}

fn macro_documentation(set: &Set) -> String {
    use std::fmt::Write;

    let mut text = format!(
        "A topic of one of the streamers that [`{}`] declares: `streamer!(\"name\", \"topic\")`.\n\n",
        set.ident
    );
    for streamer in &set.streamers {
        let _ = write!(text, "- `{}`", streamer.name().value());
        if let Some(topics) = &streamer.topics {
            let names: Vec<_> = topics.iter().map(syn::LitStr::value).collect();
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let _ = write!(text, " ({})", list(&names));
        }
        if !streamer.documentation.is_empty() {
            let _ = write!(text, ": {}", streamer.documentation.replace('\n', " "));
        }
        text.push('\n');
    }
    text
}
