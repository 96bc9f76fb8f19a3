//! The words for the values that a field takes. Each is a validator of `schema::valid`.

use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{Attribute, Error, Field, Meta, Result, spanned::Spanned};

const PLAIN: &[&str] =
    &["email", "website", "country", "currency", "colour", "position", "basis_points", "amount", "version", "page_size"];
const WITH: &[&str] = &["text", "count"];

pub fn names() -> Vec<&'static str> {
    [PLAIN, WITH, &["rule", "dive"]].concat()
}

/// The rule that an attribute names, as garde has it.
pub fn of(meta: &Meta) -> Result<Tokens> {
    let name = meta.path().get_ident().map(ToString::to_string).unwrap_or_default();
    let word = meta.path();
    match meta {
        Meta::Path(_) if PLAIN.contains(&name.as_str()) => Ok(quote!(custom(::schema::valid::#word))),
        Meta::Path(_) if name == "dive" => Ok(quote!(dive)),
        Meta::List(list) if WITH.contains(&name.as_str()) => {
            let arguments = &list.tokens;
            Ok(quote!(custom(::schema::valid::#word(#arguments))))
        }
        Meta::List(list) if name == "rule" => {
            let path: syn::Path = syn::parse2(list.tokens.clone())?;
            Ok(quote!(custom(#path)))
        }
        _ if names().contains(&name.as_str()) => Err(Error::new(meta.span(), format!("#[{name}] is not written so"))),
        _ => Err(Error::new(meta.span(), format!("no such rule; there are {}", names().join(", ")))),
    }
}

/// The same rule, for a text that may be left empty.
pub fn unless_blank(rule: Tokens) -> Result<Tokens> {
    let custom: syn::MetaList = syn::parse2(rule)?;
    let inner = &custom.tokens;
    Ok(quote!(custom(::schema::valid::unless_blank(#inner))))
}

/// Takes the rule off a field and puts garde's form of it in its place.
pub fn apply(field: &mut Field, rule: Option<Tokens>) {
    let rule = rule.unwrap_or_else(|| quote!(skip));
    field.attrs.push(syn::parse_quote!(#[garde(#rule)]));
}

/// The rule that stands on a field by itself.
pub fn taken(field: &mut Field) -> Result<Option<Tokens>> {
    super::field::take(field, &names())?.as_ref().map(|attribute: &Attribute| of(&attribute.meta)).transpose()
}
