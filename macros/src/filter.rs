//! `#[filter]`: the input that chooses the rows of a list.

use crate::{field, rules};
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{Error, Fields, Ident, Path, Result, Token, punctuated::Punctuated, spanned::Spanned};

/// The words for how a field chooses. Each becomes one condition.
const WORDS: &[&str] = &["any", "shelf", "is", "begins", "from", "until", "set", "unless", "search", "by"];

pub fn expand(args: Tokens, item: Tokens) -> Result<Tokens> {
    if !args.is_empty() {
        return Err(Error::new(args.span(), "#[filter] takes nothing"));
    }
    let mut item = field::plain(item, "filter")?;
    let name = item.ident.clone();
    let about = field::about(&item.attrs).ok_or_else(|| Error::new(name.span(), "say which rows these are, in a doc comment"))?;
    item.attrs.retain(|attribute| !attribute.path().is_ident("doc"));
    let about = format!("{about} All that is given must hold.");
    let mut fields = Vec::new();
    let mut conditions = Vec::new();
    let mut texts = Vec::new();
    let Fields::Named(named) = &mut item.fields else { unreachable!("fields are named") };
    for each in &mut named.named {
        let ident = field::ident(each).clone();
        if field::outer(&each.ty).as_deref() != Some("Option") {
            return Err(Error::new(each.ty.span(), "a filter's field may be absent: make it an Option"));
        }
        let text = field::inner(&each.ty).and_then(field::outer).as_deref() == Some("String");
        let Some(word) = field::take(each, WORDS)? else {
            return Err(Error::new(ident.span(), format!("say how it chooses: one of {}", WORDS.join(", "))));
        };
        let how = word.path().get_ident().map(ToString::to_string).unwrap_or_default();
        if how == "shelf" {
            each.attrs.push(syn::parse_quote!(#[doc = "Any of these. Without it, all but the archived."]));
        }
        if how == "search" {
            each.attrs.push(syn::parse_quote!(#[doc = "Upper and lower case are the same, and a word of four letters or more may be misspelt where names and addresses stand."]));
        }
        conditions.push(if how == "search" {
            quote!(.add_option(#ident.map(|words| ::kind::filter::search(Entity, &words))))
        } else if how == "by" {
            let function: Path = word.parse_args()?;
            quote!(.add_option(#ident.map(#function)))
        } else {
            let names = word.parse_args_with(Punctuated::<Ident, Token![,]>::parse_terminated)?;
            match (how.as_str(), names.iter().collect::<Vec<_>>().as_slice()) {
                // Those of the second, where none are asked for.
                ("any", [column, otherwise]) => {
                    quote!(.add(::kind::filter::any(Column::#column, #ident.unwrap_or_else(#otherwise))))
                }
                (_, [column]) => condition(&how, &ident, &quote!(Column::#column)),
                _ => return Err(Error::new(word.span(), "name the column")),
            }
        });
        let rule = rules::taken(each)?.map(|rule| if text { rules::unless_blank(rule) } else { Ok(rule) }).transpose()?;
        rules::apply(each, rule, false);
        if text {
            texts.push(ident.clone());
        }
        fields.push(ident);
    }
    Ok(quote! {
        #[doc = #about]
        #[derive(
            Debug, Clone, Default, PartialEq, Eq, ::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema,
            ::garde::Validate, ::async_graphql::InputObject,
        )]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        #item

        impl ::kind::Filter for #name {
            fn condition(self) -> ::sea_orm::Condition {
                #[expect(unused_imports, reason = "some filters need none of these")]
                use ::sea_orm::{ColumnTrait as _, sea_query::ExprTrait as _};
                let #name { #(#fields),* } = self;
                // A blank text is a field that was left empty.
                #(let #texts = #texts.filter(|text| !text.trim().is_empty());)*
                ::sea_orm::Condition::all() #(#conditions)*
            }
        }
    })
}

fn condition(how: &str, ident: &Ident, column: &Tokens) -> Tokens {
    match how {
        "any" => quote!(.add_option(#ident.map(|all| ::kind::filter::any(#column, all)))),
        "shelf" => quote!(.add(::kind::filter::shelf(#column, #ident))),
        "is" => quote!(.add_option(#ident.map(|one| #column.eq(one)))),
        "begins" => quote!(.add_option(#ident.map(|start| ::kind::filter::begins(#column, start)))),
        "from" => quote!(.add_option(#ident.map(|first| #column.gte(first)))),
        "until" => quote!(.add_option(#ident.map(|end| #column.lt(end)))),
        "set" => quote!(.add_option(#ident.map(|yes| if yes { #column.is_not_null() } else { #column.is_null() }))),
        _ => quote!(.add_option((!#ident.unwrap_or_default()).then(|| #column.is_null()))),
    }
}
