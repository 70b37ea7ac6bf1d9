//! `streamer!`, its module, and the registration.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Ident, Visibility};

use super::parse::{Set, Streamer};
use crate::diagnostics::list;
use crate::event::named;
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
    let unique = unique_name(set);
    let export = matches!(visibility, Visibility::Public(_))
        .then(|| quote!(#[macro_export] #[doc(hidden)] #[allow(non_local_definitions)]));
    let arms = set.streamers.iter().map(arms);
    let declared = set.streamers.iter().map(|streamer| {
        let name = streamer.name();
        let topics = streamer.topics.iter().flatten();
        quote!(#name [#(#topics)*])
    });
    let aliases = set.streamers.iter().enumerate().map(|(nth, streamer)| {
        let documentation = &streamer.documentation;
        let alias = Ident::new(&alias(&streamer.name().value()), streamer.field.span());
        quote! {
            #[doc = #documentation]
            pub type #alias = <__a_set_of_streamers_stands_in_a_module as __fanfare::Field<#nth>>::Streamer;
        }
    });
    let documentation = macro_documentation(set);
    quote! {
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
            // In a function there is no `super` to find it in: the name says so in rustc's answer.
            use super::#ident as __a_set_of_streamers_stands_in_a_module;
            pub const __SET: &'static ::core::primitive::str =
                <__a_set_of_streamers_stands_in_a_module as __fanfare::Set>::PATH;
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
        let codec = match &streamer.codec {
            Some(codec) => {
                let named = named(codec, private);
                quote!(::core::option::Option::Some(#named))
            }
            None => quote!(::core::option::Option::None),
        };
        quote! {
            #private::StreamerDeclaration {
                name: #name,
                kind: ::core::stringify!(#kind),
                topics: #topics,
                codec: #codec,
                documentation: #documentation,
            }
        }
    });
    let connections = set.streamers.iter().map(|streamer| {
        let (name, field, kind) = (streamer.name(), &streamer.field, &streamer.kind);
        // The type's span: that is where a type that is no streamer is shown.
        let this = quote!(self);
        quote_spanned!(kind.span()=> #private::Connection::new::<#kind>(#name, #this.#field))
    });
    let fields = set.streamers.iter().enumerate().map(|(nth, streamer)| {
        let kind = &streamer.kind;
        quote! {
            #[automatically_derived]
            impl #private::Field<#nth> for #ident {
                type Streamer = #kind;
            }
        }
    });
    quote! {
        #(#fields)*

        #[automatically_derived]
        impl #private::Set for #ident {
            const PATH: &'static ::core::primitive::str =
                ::core::concat!(::core::module_path!(), "::", ::core::stringify!(#ident));
        }

        const _: () = {
            const DECLARATION: #private::SetDeclaration = #private::SetDeclaration {
                set: <#ident as #private::Set>::PATH,
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

/// A name for the exported macro that no other set of the crate has: exported macros share one
/// name space, and two modules may hold structs of one name. It is made of what is written, not of
/// where it is built.
fn unique_name(set: &Set) -> Ident {
    let mut hasher = DefaultHasher::new();
    let place = set.ident.span().unwrap();
    let file = place.file();
    let file = file.rsplit(['/', '\\']).take(3).collect::<Vec<_>>();
    (file, place.line(), place.column()).hash(&mut hasher);
    format_ident!("__fanfare_{}_{:x}", set.ident.unraw(), hasher.finish())
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
