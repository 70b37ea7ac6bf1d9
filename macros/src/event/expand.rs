//! The derives, the implementation of `Event`, and the registration.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Ident, LitStr, Member};

use super::fields;
use super::parse::{Event, without_helpers};
use super::validate::{COMPATIBILITIES, borrows, remove_derives};
use crate::attribute::documentation;
use crate::duration::constant;
use crate::fanfare;
use crate::target::distinct;

pub(crate) fn event(event: &Event) -> syn::Result<TokenStream> {
    let private = fanfare::private()?;
    let mut item = event.item.clone();
    let proofs = fields::proofs(&mut item, &private);
    let derives = derives(&private);
    let implementation = implementation(event, &private);
    Ok(quote! {
        #proofs
        #derives
        #item
        #implementation
    })
}

/// An event whose attribute is wrong: it is one all the same, so that its handlers add no errors of
/// their own. The mistake stands where its topics would, and so spoils every proof about them.
pub(crate) fn mistaken(mut item: DeriveInput, mistake: syn::Error) -> syn::Result<TokenStream> {
    if !item.generics.params.is_empty() || borrows(&item) {
        let mistake = mistake.into_compile_error();
        let item = without_helpers(item);
        return Ok(quote!(#mistake #item));
    }
    let private = fanfare::private()?;
    let ident = &item.ident;
    let mistakes = mistake.into_compile_error();
    let implementation = quote! {
        #[automatically_derived]
        impl #private::Event for #ident {
            const NAME: &'static ::core::primitive::str = "";
            const VERSION: ::core::primitive::u32 = 1;
            const SCHEMA: &'static ::core::primitive::str = "";
            const TOPICS: &'static [#private::TopicName] = { #mistakes };

            fn key(&self) -> ::core::option::Option<::std::string::String> {
                ::core::option::Option::None
            }

            fn read(written: #private::Written<'_>) -> ::core::result::Result<Self, #private::ReadError> {
                #private::read_current(written)
            }
        }
    };
    remove_derives(&mut item.attrs);
    let derives = derives(&private);
    Ok(quote!(#derives #item #implementation))
}

/// What the wire needs, from fanfare's own re-exports.
pub(crate) fn derives(private: &TokenStream) -> TokenStream {
    let serde = quote!(#private::serde).to_string();
    let schemars = quote!(#private::schemars).to_string();
    quote! {
        #[derive(
            #private::serde::Serialize,
            #private::serde::Deserialize,
            #private::schemars::JsonSchema,
        )]
        #[serde(crate = #serde)]
        #[schemars(crate = #schemars)]
    }
}

fn implementation(event: &Event, private: &TokenStream) -> TokenStream {
    let ident = &event.item.ident;
    let name = event.name();
    let former_names = &event.arguments.renamed_from;
    let compatibility = compatibility(event);
    let codec = event.arguments.codec.as_ref().map(|codec| {
        let named = named(codec, private);
        quote!(const CODEC: #private::Codec = #named;)
    });
    let declared = match &codec {
        None => quote!(::core::option::Option::None),
        Some(codec) => quote!({ #codec ::core::option::Option::Some(CODEC) }),
    };
    let avro_schema = match &event.arguments.avro_schema {
        None => quote!(::core::option::Option::None),
        // The call has the span of the user's own expression, where a mistake in it is shown.
        Some(schema) => {
            let call = quote_spanned!(schema.span()=> avro_schema(#schema));
            quote!({ use #private::codec::avro_schema; #call })
        }
    };
    let version = event.arguments.version_number();
    let schema = format!("urn:fanfare:event:{}:{version}", uri_text(&name));
    let documentation = documentation(&event.item.attrs);
    let targets = event.arguments.stream_to.iter().map(|target| {
        target.with_topic(|topic| quote_spanned!(target.span()=> #private::Target::new(#topic)))
    });
    let distinct = distinct(&event.arguments.stream_to, &quote!(TARGETS), private);
    let count = event.arguments.stream_to.len();
    let topics = (0..count).map(|at| quote!(TARGETS[#at].topic));
    let key = key(event, private);
    let key_name = match &event.arguments.key {
        Some(key) => {
            let name = key.to_token_stream().to_string();
            quote!(::core::option::Option::Some(#name))
        }
        None => quote!(::core::option::Option::None),
    };
    let read = read(event, private);
    let expires = event.arguments.expires_after.map(|after| {
        let after = constant(after);
        quote! {
            const EXPIRES_AFTER: ::core::option::Option<::core::time::Duration> =
                ::core::option::Option::Some(#after);
        }
    });
    quote! {
        const _: () = {
            const TARGETS: [#private::Target; #count] = [#(#targets),*];
            #distinct

            #[automatically_derived]
            impl #private::Event for #ident {
                const NAME: &'static str = #name;
                const FORMER_NAMES: &'static [&'static str] = &[#(#former_names),*];
                const VERSION: u32 = #version;
                const SCHEMA: &'static str = #schema;
                const TOPICS: &'static [#private::TopicName] = &[#(#topics),*];

                #codec
                #expires
                #key
                #read
            }

            #private::inventory::submit! {
                #private::EventDeclaration {
                    name: #name,
                    former_names: &[#(#former_names),*],
                    version: #version,
                    compatibility: #private::Compatibility::#compatibility,
                    codec: #declared,
                    avro_schema: #avro_schema,
                    type_name: ::core::concat!(::core::module_path!(), "::", ::core::stringify!(#ident)),
                    type_id: || ::core::any::TypeId::of::<#ident>(),
                    documentation: #documentation,
                    key: #key_name,
                    targets: &TARGETS,
                    schema: || #private::schemars::schema_for!(#ident),
                    location: #private::Location { file: ::core::file!(), line: ::core::line!() },
                }
            }
        };
    }
}

/// A codec by the name that the user writes. The call has the span of that text, where a missing
/// feature is shown.
pub(crate) fn named(codec: &LitStr, private: &TokenStream) -> TokenStream {
    let place = codec.span();
    let name = Ident::new(&codec.value(), place);
    let call = quote_spanned!(place=> #name());
    quote!({ use #private::codec::#name; #call })
}

/// The variant of `Compatibility`.
fn compatibility(event: &Event) -> Ident {
    let given = event.arguments.compatibility.as_ref().map(LitStr::value);
    let mut known = COMPATIBILITIES.iter();
    let known = known.find(|(name, _)| Some(*name) == given.as_deref());
    format_ident!("{}", known.map_or("Backward", |(_, variant)| variant))
}

fn key(event: &Event, private: &TokenStream) -> TokenStream {
    let Some(key) = &event.arguments.key else {
        return quote! {
            fn key(&self) -> ::core::option::Option<::std::string::String> {
                ::core::option::Option::None
            }
        };
    };
    let place = key.span();
    let bound = format_ident!("__fanfare_key", span = Span::call_site().located_at(place));
    let to_key = quote_spanned!(place=> #private::Key::to_key(#bound));
    let body = match &event.item.data {
        Data::Enum(data) => {
            let arms = data.variants.iter().map(|variant| {
                let variant = &variant.ident;
                quote!(Self::#variant { #key: #bound, .. } => #to_key,)
            });
            quote!(match self { #(#arms)* })
        }
        _ => {
            let member: &Member = key;
            quote!({ let #bound = &self.#member; #to_key })
        }
    };
    quote! {
        fn key(&self) -> ::core::option::Option<::std::string::String> {
            ::core::option::Option::Some(#body)
        }
    }
}

/// Reading is of this version alone, or through the version before it.
fn read(event: &Event, private: &TokenStream) -> TokenStream {
    let ident = &event.item.ident;
    let reader = match &event.arguments.previous {
        None => quote!(#private::read_current::<Self>),
        Some(previous) => {
            let (kind, old) = (ident.to_string(), previous.to_token_stream().to_string());
            // All of the call has the span of the user's `previous`, where its errors are shown.
            let place = previous.span();
            let new = Ident::new(&kind, place);
            let call = quote_spanned!(place=> read_through::<#new, #previous>(#kind, #old));
            quote!({
                use #private::{ReadError, Written, proof::read_through};
                const READ: fn(Written<'_>) -> ::core::result::Result<#ident, ReadError> = #call;
                READ
            })
        }
    };
    quote! {
        fn read(written: #private::Written<'_>) -> ::core::result::Result<Self, #private::ReadError> {
            (#reader)(written)
        }
    }
}

/// A name as it stands in a URN: what RFC 3986 leaves as it is, the rest percent-encoded.
fn uri_text(name: &str) -> String {
    use std::fmt::Write;

    let mut text = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}
