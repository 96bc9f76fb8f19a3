//! The reading of a struct and its fields, which every attribute here shares.

use proc_macro2::{Span, TokenStream as Tokens};
use syn::{Attribute, Error, Expr, Field, Fields, Ident, ItemStruct, Lit, Meta, Result, Type, parse::Parse, spanned::Spanned};

/// The struct, if it has named fields and no parameters.
pub fn plain(item: Tokens, attribute: &str) -> Result<ItemStruct> {
    let item: ItemStruct =
        syn::parse2(item).map_err(|error| Error::new(error.span(), format!("#[{attribute}] stands on a struct")))?;
    if !item.generics.params.is_empty() {
        return Err(Error::new(item.generics.span(), format!("a struct with #[{attribute}] has no parameters")));
    }
    match &item.fields {
        Fields::Named(_) => Ok(item),
        _ => Err(Error::new(item.ident.span(), format!("a struct with #[{attribute}] has named fields"))),
    }
}

pub fn ident(field: &Field) -> &Ident {
    field.ident.as_ref().unwrap_or_else(|| unreachable!("fields are named"))
}

/// A field's name as a column has it.
pub fn column(ident: &Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").unwrap_or(&text).to_owned()
}

/// `linked_organization_id` is `linkedOrganizationId` on every surface.
pub fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| name + &capital(word))
}

/// `linked_organization_id` is SeaORM's `Column::LinkedOrganizationId`.
pub fn pascal(name: &str) -> Ident {
    Ident::new(&name.split('_').map(capital).collect::<String>(), Span::call_site())
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// The text of doc comments, as a description.
pub fn about(attributes: &[Attribute]) -> Option<String> {
    let lines =
        attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) => match &pair.value {
                Expr::Lit(literal) => match &literal.lit {
                    Lit::Str(text) => Some(text.value().trim().to_owned()),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        });
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() { None } else { Some(lines.join("\n")) }
}

/// Takes the attribute with one of these names off a field. Two are a mistake.
pub fn take(field: &mut Field, names: &[&str]) -> Result<Option<Attribute>> {
    let ours = |attribute: &Attribute| names.iter().any(|name| attribute.path().is_ident(name));
    let mut found = field.attrs.extract_if(.., |attribute| ours(attribute));
    let first = found.next();
    match found.next() {
        Some(second) => Err(Error::new(second.span(), "one such word is enough")),
        None => Ok(first),
    }
}

/// An attribute that stands alone, without arguments.
pub fn flag(field: &mut Field, name: &str) -> Result<bool> {
    let Some(attribute) = take(field, &[name])? else { return Ok(false) };
    match &attribute.meta {
        Meta::Path(_) => Ok(true),
        other => Err(Error::new(other.span(), format!("#[{name}] takes nothing"))),
    }
}

/// The argument of an attribute, if it has one.
pub fn argument<T: Parse>(attribute: &Attribute) -> Result<Option<T>> {
    match &attribute.meta {
        Meta::Path(_) => Ok(None),
        _ => attribute.parse_args().map(Some),
    }
}

/// The last name of a type's path, such as `Option`.
pub fn outer(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    }
}

/// `T` of `Option<T>` or `MaybeUndefined<T>`.
pub fn inner(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    match &path.path.segments.last()?.arguments {
        syn::PathArguments::AngleBracketed(arguments) => arguments.args.iter().find_map(|argument| match argument {
            syn::GenericArgument::Type(ty) => Some(ty),
            _ => None,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_written_as_each_surface_has_them() {
        assert_eq!(super::camel("linked_organization_id"), "linkedOrganizationId");
        assert_eq!(super::camel("line1"), "line1");
        assert_eq!(super::pascal("linked_organization_id"), "LinkedOrganizationId");
    }
}
