//! The words for the values that a field takes. Each is a validator of `schema::valid`.

use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{Attribute, Error, Field, Meta, Result, spanned::Spanned};

const PLAIN: &[&str] =
    &["email", "website", "country", "currency", "colour", "position", "basis_points", "amount", "version", "page_size"];
const WITH: &[&str] = &["text", "count"];

pub fn names() -> Vec<&'static str> {
    [PLAIN, WITH, &["rule", "dive", "each"]].concat()
}

/// A rule as garde checks it, and as the contract tells it beforehand.
pub struct Rule {
    garde: Tokens,
    told: Vec<(&'static str, Tokens)>,
}

/// The rule that an attribute names.
pub fn of(meta: &Meta) -> Result<Rule> {
    Ok(Rule { garde: garde(meta)?, told: told(meta)? })
}

/// The keywords of JSON Schema that say the same as a rule, as far as they can.
fn told(meta: &Meta) -> Result<Vec<(&'static str, Tokens)>> {
    let name = meta.path().get_ident().map(ToString::to_string).unwrap_or_default();
    let numbers = match meta {
        Meta::List(list) if name != "rule" => list
            .parse_args_with(syn::punctuated::Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated)?
            .into_iter()
            .collect(),
        _ => Vec::new(),
    };
    let number = |at: usize| numbers.get(at).map_or_else(Tokens::new, |number| quote!(#number));
    Ok(match name.as_str() {
        "text" => vec![("minLength", quote!(1)), ("maxLength", number(0))],
        "count" | "each" => vec![("minItems", number(0)), ("maxItems", number(1))],
        "email" => vec![("format", quote!("email")), ("maxLength", quote!(254))],
        "website" => vec![("format", quote!("uri")), ("maxLength", quote!(500))],
        "country" => vec![("pattern", quote!("^[A-Z]{2}$"))],
        "currency" => vec![("pattern", quote!("^[A-Z]{3}$"))],
        "colour" => vec![("pattern", quote!("^#[0-9A-F]{6}$"))],
        "position" => vec![("minimum", quote!(0)), ("maximum", quote!(1_000_000))],
        "basis_points" => vec![("minimum", quote!(0)), ("maximum", quote!(10_000))],
        "version" => vec![("minimum", quote!(1))],
        "page_size" => vec![("minimum", quote!(0)), ("maximum", quote!(100))],
        _ => Vec::new(),
    })
}

fn garde(meta: &Meta) -> Result<Tokens> {
    let name = meta.path().get_ident().map(ToString::to_string).unwrap_or_default();
    let word = meta.path();
    match meta {
        Meta::Path(_) if PLAIN.contains(&name.as_str()) => Ok(quote!(custom(::schema::valid::#word))),
        Meta::Path(_) if name == "dive" => Ok(quote!(dive)),
        Meta::List(list) if WITH.contains(&name.as_str()) => {
            let arguments = &list.tokens;
            Ok(quote!(custom(::schema::valid::#word(#arguments))))
        }
        // So many objects, each of which has rules of its own.
        Meta::List(list) if name == "each" => {
            let arguments = &list.tokens;
            Ok(quote!(custom(::schema::valid::count(#arguments)), dive))
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
pub fn unless_blank(rule: Rule) -> Result<Rule> {
    let custom: syn::MetaList = syn::parse2(rule.garde)?;
    let inner = &custom.tokens;
    Ok(Rule { garde: quote!(custom(::schema::valid::unless_blank(#inner))), told: rule.told })
}

/// Puts a rule on a field: for garde, and for the contract.
pub fn apply(field: &mut Field, rule: Option<Rule>) {
    let Rule { garde, mut told } = rule.unwrap_or_else(|| Rule { garde: quote!(skip), told: Vec::new() });
    field.attrs.push(syn::parse_quote!(#[garde(#garde)]));
    // A text that may be absent may be blank as well: it counts as absent.
    if super::field::outer(&field.ty).as_deref() != Some("String") {
        told.retain(|(keyword, _)| *keyword != "minLength");
    }
    if !told.is_empty() {
        let told = told.iter().map(|(keyword, value)| quote!(#keyword = #value));
        field.attrs.push(syn::parse_quote!(#[schemars(extend(#(#told),*))]));
    }
}

/// The rule that stands on a field by itself.
pub fn taken(field: &mut Field) -> Result<Option<Rule>> {
    super::field::take(field, &names())?.as_ref().map(|attribute: &Attribute| of(&attribute.meta)).transpose()
}
