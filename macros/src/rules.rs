//! The words for the values that a field takes. Each is a validator of `schema::valid`.

use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{Attribute, Error, Field, Meta, Result, spanned::Spanned};

const PLAIN: &[&str] = &[
    "email",
    "website",
    "country",
    "currency",
    "colour",
    "position",
    "basis_points",
    "amount",
    "version",
    "page_size",
    "handle",
];
const WITH: &[&str] = &["text", "texts", "count", "number"];

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
        "text" => vec![("minLength", quote!(1)), ("maxLength", number(0)), ("pattern", quote!(::schema::valid::FILLED))],
        "texts" => {
            let most = number(1);
            let items = quote!(
                ::serde_json::json!({ "type": "string", "minLength": 1, "maxLength": #most, "pattern": ::schema::valid::FILLED })
            );
            vec![("maxItems", number(0)), ("items", items)]
        }
        "number" => vec![("minimum", number(0)), ("maximum", number(1))],
        "count" | "each" => vec![("minItems", number(0)), ("maxItems", number(1))],
        "email" => {
            vec![("format", quote!("email")), ("maxLength", quote!(254)), ("pattern", quote!(::schema::valid::EMAIL))]
        }
        "website" => vec![("maxLength", quote!(500)), ("pattern", quote!(::schema::valid::WEBSITE))],
        "country" => vec![("pattern", quote!(::schema::valid::countries()))],
        "currency" => vec![("pattern", quote!(::schema::valid::currencies()))],
        "amount" => vec![
            ("minimum", quote!(-::schema::valid::MOST_AMOUNT)),
            ("maximum", quote!(::schema::valid::MOST_AMOUNT)),
            ("not", quote!(::serde_json::json!({ "const": 0 }))),
        ],
        "colour" => vec![("pattern", quote!("^#[0-9A-F]{6}$"))],
        "position" => vec![("minimum", quote!(0)), ("maximum", quote!(1_000_000))],
        "basis_points" => vec![("minimum", quote!(0)), ("maximum", quote!(10_000))],
        "handle" => vec![("pattern", quote!(::schema::valid::HANDLE))],
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

/// A rule about several fields, which is checked at the first of them.
pub struct Between {
    fields: Vec<syn::Ident>,
    word: &'static str,
}

impl Between {
    /// `one_of(a, b)`: exactly one is given. `some_of(a, b)`: at least one list has an element. `not_both(a, b)`: one at most.
    pub fn of(meta: &Meta) -> Result<Between> {
        let words = ["one_of", "some_of", "not_both"];
        let word = words.into_iter().find(|word| meta.path().is_ident(word));
        let (Some(word), Meta::List(list)) = (word, meta) else {
            return Err(Error::new(meta.span(), format!("#[input] takes page, value, and {}(…)", words.join("(…), "))));
        };
        let fields = list.parse_args_with(syn::punctuated::Punctuated::<syn::Ident, syn::Token![,]>::parse_terminated)?;
        let fields: Vec<syn::Ident> = fields.into_iter().collect();
        if fields.len() < 2 {
            return Err(Error::new(meta.span(), "such a rule is about two fields or more"));
        }
        Ok(Between { fields, word })
    }

    /// The check, as it stands on the first of the fields.
    pub fn check(&self, fields: &mut syn::punctuated::Punctuated<Field, syn::Token![,]>) -> Result<()> {
        let (word, names) = (syn::Ident::new(self.word, proc_macro2::Span::call_site()), self.names());
        let given = self.fields.iter().map(|field| match self.word {
            "some_of" => quote!(::schema::valid::Many::many(&self.#field).is_some_and(|number| number > 0)),
            _ => quote!(self.#field.is_some()),
        });
        let first = &self.fields[0];
        let known: Vec<_> = fields.iter().filter_map(|field| field.ident.clone()).collect();
        if let Some(other) = self.fields.iter().find(|field| !known.contains(field)) {
            return Err(Error::new(other.span(), "there is no such field"));
        }
        let field = fields.iter_mut().find(|field| field.ident.as_ref() == Some(first));
        let Some(field) = field else { unreachable!("the field is known") };
        field.attrs.retain(|attribute| {
            !(attribute.path().is_ident("garde") && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "skip"))
        });
        field.attrs.push(syn::parse_quote!(#[garde(custom(::schema::valid::#word(&[#(#given),*], &[#(#names),*])))]));
        Ok(())
    }

    /// The same, as JSON Schema says it of the whole object.
    pub fn told(&self) -> Tokens {
        let (word, names) = (syn::Ident::new(&format!("{}_told", self.word), proc_macro2::Span::call_site()), self.names());
        let keyword = match self.word {
            "one_of" => "oneOf",
            // One is enough, as long as not all are empty.
            _ => "not",
        };
        quote!(#[schemars(extend(#keyword = ::schema::valid::#word(&[#(#names),*])))])
    }

    fn names(&self) -> Vec<String> {
        self.fields.iter().map(|field| super::field::camel(&super::field::column(field))).collect()
    }
}

/// Puts a rule on a field: for garde, and for the contract. A field that is needed does not become absent by being blank.
pub fn apply(field: &mut Field, rule: Option<Rule>, needed: bool) {
    let Rule { garde, mut told } = rule.unwrap_or_else(|| Rule { garde: quote!(skip), told: Vec::new() });
    field.attrs.push(syn::parse_quote!(#[garde(#garde)]));
    // A text that may be absent may be blank as well: it counts as absent.
    if !needed {
        let text = told.extract_if(.., |(keyword, _)| *keyword == "minLength").count() > 0;
        for (_, pattern) in told.iter_mut().filter(|(keyword, _)| *keyword == "pattern") {
            *pattern = if text { quote!(::schema::valid::PRINTABLE) } else { quote!(::schema::valid::or_blank(#pattern)) };
        }
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
