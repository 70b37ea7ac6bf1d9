//! Fields that cannot travel: found by themselves, before serde's derives meet them.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Field, Fields, Ident, LitStr, Meta, parse_quote};

/// For each field a trait of its own, whose message names the field, and a bound by it on serde's
/// `Deserialize`: so the first error over a field that cannot travel is ours, and `Deserialize`
/// adds none. (`Serialize` and `JsonSchema` add one each: rustc reports an unmet bound on an
/// implementation without parameters by itself, so a bound would add what it takes away.)
pub(super) fn proofs(item: &mut DeriveInput, private: &TokenStream) -> TokenStream {
    let event = item.ident.unraw();
    let mut proofs = TokenStream::new();
    if by_hand(&item.attrs) {
        return proofs;
    }
    let mut prove = |form: &str, fields: &mut Fields| {
        let members: Vec<_> = fields.members().collect();
        for (field, member) in fields.iter_mut().zip(members) {
            if is_plain(field, &event) {
                let name = format!("{form}{}", member.to_token_stream());
                let trait_name =
                    format_ident!("__fanfare_{event}_{}", name.replace(['.', '#'], "_"));
                proofs.extend(proof(&trait_name, &name, &event, private));
                bind(field, &trait_name);
            }
        }
    };
    match &mut item.data {
        Data::Struct(data) => prove("", &mut data.fields),
        Data::Enum(data) => {
            for variant in data.variants.iter_mut().filter(|v| !by_hand(&v.attrs)) {
                prove(&format!("{}.", variant.ident), &mut variant.fields);
            }
        }
        Data::Union(_) => {}
    }
    proofs
}

/// The trait that says, of whatever type lacks it, that this field cannot travel.
fn proof(trait_name: &Ident, field: &str, event: &Ident, private: &TokenStream) -> TokenStream {
    let message = format!(
        "field `{field}` of the event `{event}` cannot travel: `{{Self}}` is not `Serialize`, `Deserialize` and `JsonSchema`"
    );
    quote! {
        #[doc(hidden)]
        #[allow(non_camel_case_types)]
        #[diagnostic::on_unimplemented(
            message = #message,
            label = "cannot be part of an event",
            note = "put `#[payload]` on the type, which derives the three, or leave the field out with `#[serde(skip)]`"
        )]
        trait #trait_name<'de>: #private::serde::Deserialize<'de> {}
        #[diagnostic::do_not_recommend]
        impl<'de, T: #private::Payload> #trait_name<'de> for T {}
    }
}

/// Gives the field's bound to serde, at the field's own type.
fn bind(field: &mut Field, trait_name: &Ident) {
    let kind = &field.ty;
    let bound = quote!(#kind: #trait_name<'de>).to_string();
    let bound = LitStr::new(&bound, kind.span());
    field
        .attrs
        .push(parse_quote!(#[serde(bound(deserialize = #bound))]));
}

/// Whether a field has to travel by its type alone, and the type is not the event's own again.
fn is_plain(field: &Field, own: &Ident) -> bool {
    !by_hand(&field.attrs) && !mentions(field.ty.to_token_stream(), own)
}

/// Whether a serde or schemars attribute takes the matter out of the type's hands.
pub(super) fn by_hand(attributes: &[Attribute]) -> bool {
    const KEYS: [&str; 13] = [
        "bound",
        "deserialize_with",
        "flatten",
        "from",
        "into",
        "remote",
        "schema_with",
        "serialize_with",
        "skip",
        "skip_deserializing",
        "skip_serializing",
        "try_from",
        "with",
    ];
    attributes
        .iter()
        .filter(|a| a.path().is_ident("serde") || a.path().is_ident("schemars"))
        .any(|attribute| {
            let Meta::List(list) = &attribute.meta else {
                return false;
            };
            list.tokens
                .clone()
                .into_iter()
                .any(|token| KEYS.contains(&token.to_string().as_str()))
        })
}

/// Whether a type names this one, or `Self`.
fn mentions(tokens: TokenStream, own: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == *own || ident == "Self",
        TokenTree::Group(group) => mentions(group.stream(), own),
        _ => false,
    })
}
