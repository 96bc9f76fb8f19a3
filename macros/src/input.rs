//! `#[input]`: the input of a procedure.

use crate::{field, rules};
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{
    Error, Field, Fields, Ident, Meta, Result, Token, parse::Parser, parse_quote, punctuated::Punctuated, spanned::Spanned,
};

pub fn expand(args: Tokens, item: Tokens) -> Result<Tokens> {
    let args = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(args)?;
    let named = |meta: &Meta, word: &str| matches!(meta, Meta::Path(path) if path.is_ident(word));
    let page = args.iter().any(|meta| named(meta, "page"));
    let value = args.iter().any(|meta| named(meta, "value"));
    let rest = args.iter().filter(|meta| !named(meta, "page") && !named(meta, "value"));
    let mut between = rest.map(rules::Between::of).collect::<Result<Vec<_>>>()?;
    let mut item = field::plain(item, "input")?;
    let name = item.ident.clone();
    let Fields::Named(named) = &mut item.fields else { unreachable!("fields are named") };
    let (mut required, mut patched) = (Vec::new(), Vec::new());
    for each in &mut named.named {
        let ident = field::ident(each).clone();
        let outer = field::outer(&each.ty);
        let rule = match field::take(each, &["patch"])? {
            Some(attribute) => {
                patch(each, outer.as_deref())?;
                patched.push(ident);
                match field::argument::<Meta>(&attribute)? {
                    Some(rule) => Some(rules::of(&rule)?),
                    None => rules::taken(each)?,
                }
            }
            None if outer.as_deref() == Some("MaybeUndefined") => {
                return Err(Error::new(each.ty.span(), "a field that may be undefined is part of a patch: say #[patch]"));
            }
            None => {
                required.push((ident, each.ty.clone()));
                rules::taken(each)?
            }
        };
        let needed = matches!(outer.as_deref(), Some("String"))
            || (outer.as_deref() == Some("Option") && patched.last() == each.ident.as_ref());
        rules::apply(each, rule, needed);
    }
    if page {
        paged(&mut named.named);
        between.push(rules::Between::of(&parse_quote!(not_both(last, first)))?);
    }
    for each in &between {
        each.check(&mut named.named)?;
    }
    let told = between.iter().map(rules::Between::told);
    let of = if patched.is_empty() { Tokens::new() } else { of(&name, &required, &patched) };
    let default = page.then(|| quote!(Default,));
    // A value is read as well as given, under two names in GraphQL.
    let read = value.then(|| {
        let input = format!("{name}Input");
        quote!(#[derive(PartialEq, Eq, ::async_graphql::SimpleObject)] #[graphql(input_name = #input)])
    });
    Ok(quote! {
        #[derive(
            Debug, Clone, #default ::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema, ::garde::Validate,
            ::async_graphql::InputObject,
        )]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        #read
        #(#told)*
        #item
        #of
    })
}

/// Marks a field of a patch. An absent field stays as it is; null clears it, where it can be cleared.
fn patch(each: &mut Field, outer: Option<&str>) -> Result<()> {
    match outer {
        Some("Option") => {
            each.attrs.push(
                parse_quote!(#[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]),
            );
            // Null is refused, so the contract has no null.
            let inner = field::inner(&each.ty).map(|inner| quote!(#inner).to_string());
            each.attrs.push(parse_quote!(#[schemars(with = #inner)]));
            Ok(())
        }
        Some("MaybeUndefined") => {
            let inner = field::inner(&each.ty).ok_or_else(|| Error::new(each.ty.span(), "undefined or what?"))?;
            let shown = quote!(Option<#inner>).to_string();
            each.attrs.push(parse_quote!(#[serde(default, skip_serializing_if = "async_graphql::MaybeUndefined::is_undefined")]));
            each.attrs.push(parse_quote!(#[schemars(with = #shown)]));
            Ok(())
        }
        _ => {
            Err(Error::new(each.ty.span(), "a patch's field is an Option if it can't be cleared, and a MaybeUndefined if it can"))
        }
    }
}

/// Adds the fields that choose a page: `first` with `after`, or `last` with `before`.
fn paged(fields: &mut syn::punctuated::Punctuated<Field, syn::Token![,]>) {
    let page: [Field; 5] = [
        parse_quote!(
            #[garde(custom(::schema::valid::page_size))]
            #[schemars(extend("minimum" = 0, "maximum" = 100))]
            pub first: Option<i32>
        ),
        parse_quote!(#[garde(skip)] pub after: Option<String>),
        parse_quote!(
            #[garde(custom(::schema::valid::page_size))]
            #[schemars(extend("minimum" = 0, "maximum" = 100))]
            pub last: Option<i32>
        ),
        parse_quote!(#[garde(skip)] pub before: Option<String>),
        parse_quote!(
            /// Count all that match, exactly.
            #[garde(skip)]
            pub with_total: Option<bool>
        ),
    ];
    let own: Vec<Field> = std::mem::take(fields).into_iter().collect();
    let [first, after, last, before, total] = page;
    fields.extend([first, after, last, before]);
    fields.extend(own);
    fields.push(total);
}

/// The constructor of a patch of which only the required fields are given.
fn of(name: &Ident, required: &[(Ident, syn::Type)], patched: &[Ident]) -> Tokens {
    let (names, types): (Vec<_>, Vec<_>) = required.iter().cloned().unzip();
    quote! {
        impl #name {
            /// A patch that changes nothing yet.
            pub fn of(#(#names: #types),*) -> Self {
                #name { #(#names,)* #(#patched: Default::default()),* }
            }
        }
    }
}
