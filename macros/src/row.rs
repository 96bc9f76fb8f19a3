//! `#[row]`: a struct as a table's row, read by place.

use crate::field;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{
    Error, Field, Fields, Ident, ItemStruct, LitBool, LitStr, Result, Token, Type, parse::Parser, punctuated::Punctuated,
    spanned::Spanned,
};

/// A column, before its attributes for SeaORM are added.
pub struct Column {
    pub ident: Ident,
    pub ty: Type,
    pub about: Option<String>,
    /// Written once.
    pub fixed: bool,
}

impl Column {
    pub fn name(&self) -> String {
        field::column(&self.ident)
    }
}

pub fn expand(args: Tokens, item: Tokens) -> Result<Tokens> {
    let mut item = field::plain(item, "row")?;
    let Arguments { table, finder } = arguments(args.clone())?;
    let table = table.ok_or_else(|| Error::new(args.span(), "say which table: #[row(table = \"…\")]"))?;
    let mut keys = Vec::new();
    for each in fields(&mut item) {
        if field::flag(each, "key")? {
            keys.push(field::ident(each).clone());
        }
    }
    let columns = columns(&mut item, &keys)?;
    Ok(table_of(&item, &table, &columns, finder, &Tokens::new()))
}

struct Arguments {
    table: Option<LitStr>,
    finder: bool,
}

fn arguments(args: Tokens) -> Result<Arguments> {
    let mut known = Arguments { table: None, finder: true };
    let parser = syn::meta::parser(|meta| {
        if meta.path.is_ident("table") {
            known.table = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("finder") {
            known.finder = meta.value()?.parse::<LitBool>()?.value;
        } else {
            return Err(meta.error("#[row] takes table and finder"));
        }
        Ok(())
    });
    parser.parse2(args)?;
    Ok(known)
}

pub fn fields(item: &mut ItemStruct) -> impl Iterator<Item = &mut Field> {
    match &mut item.fields {
        Fields::Named(named) => named.named.iter_mut(),
        _ => unreachable!("fields are named"),
    }
}

/// The columns, in the order of the struct, which is the order in which they are selected.
pub fn columns(item: &mut ItemStruct, keys: &[Ident]) -> Result<Vec<Column>> {
    if item.ident != "Model" {
        return Err(Error::new(item.ident.span(), "a row is called Model: SeaORM wants it so"));
    }
    let mut columns = Vec::new();
    for each in fields(item) {
        let ident = field::ident(each).clone();
        let fixed = field::flag(each, "fixed")? || keys.contains(&ident) || ident == "organization_id" || ident == "created_at";
        columns.push(Column { about: field::about(&each.attrs), ty: each.ty.clone(), ident: ident.clone(), fixed });
        if keys.contains(&ident) {
            each.attrs.push(syn::parse_quote!(#[sea_orm(primary_key, auto_increment = false)]));
        }
    }
    Ok(columns)
}

/// The struct with its entity for SeaORM, its finder, and its reading by place.
pub fn table_of(item: &ItemStruct, table: &LitStr, columns: &[Column], finder: bool, derives: &Tokens) -> Tokens {
    let finder = if finder && columns.iter().any(|column| column.ident == "organization_id") {
        quote! {
            /// The rows of an organization.
            #[expect(clippy::disallowed_methods, reason = "the finder that begins with the organization")]
            pub fn of(organization: ::schema::OrganizationId) -> ::sea_orm::Select<Entity> {
                use ::sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
                Entity::find().filter(Column::OrganizationId.eq(organization))
            }
        }
    } else {
        Tokens::new()
    };
    // A view stands in a schema of its own: `app.desk`.
    let named = table.value();
    let (schema, table) = match named.split_once('.') {
        Some((schema, view)) => (quote!(#[sea_orm(schema_name = #schema)]), view.to_owned()),
        None => (Tokens::new(), named),
    };
    let (idents, types): (Vec<_>, Vec<_>) = columns.iter().map(|column| (&column.ident, &column.ty)).unzip();
    let names: Vec<String> = columns.iter().map(Column::name).collect();
    let fixed = columns.iter().map(|column| column.fixed);
    let variants: Vec<Ident> = names.iter().map(|name| field::pascal(name)).collect();
    let shown: Vec<String> = names.iter().map(|name| field::camel(name)).collect();
    quote! {
        #[derive(Debug, Clone, PartialEq, Eq, ::sea_orm::entity::prelude::DeriveEntityModel)]
        #derives
        #[sea_orm(table_name = #table)]
        #schema
        #item

        #[derive(Debug, Clone, Copy, ::sea_orm::EnumIter, ::sea_orm::entity::prelude::DeriveRelation)]
        pub enum Relation {}
        impl ::sea_orm::ActiveModelBehavior for ActiveModel {}

        #finder

        impl ::kind::Table for Model {
            type Entity = Entity;
            const TABLE: &'static str = #table;
            const COLUMNS: &'static [::kind::ColumnInfo] = &[#(::kind::ColumnInfo::of::<#types>(#names, #shown).fixed(#fixed)),*];

            fn read(row: &::sqlx::postgres::PgRow, from: usize) -> ::std::result::Result<Self, ::sqlx::Error> {
                let mut at = from..;
                let mut next = || at.next().unwrap_or(usize::MAX);
                Ok(Model { #(#idents: ::schema::Cell::cell(row, next())?),* })
            }

            fn value(&self, column: Column) -> Option<::sea_orm::sea_query::SimpleExpr> {
                match column { #(Column::#variants => ::schema::Datum::value(&self.#idents)),* }
            }

            fn mark(&self, column: Column) -> i64 {
                match column { #(Column::#variants => ::schema::Datum::mark(&self.#idents)),* }
            }

            fn marked(column: Column, mark: i64) -> Option<::sea_orm::sea_query::SimpleExpr> {
                match column { #(Column::#variants => <#types as ::schema::Datum>::marked(mark)),* }
            }
        }
    }
}

/// The struct without our attributes.
pub fn bare(item: Tokens) -> Tokens {
    let Ok(mut bare) = syn::parse2::<ItemStruct>(item) else { return Tokens::new() };
    let kept = |attribute: &syn::Attribute| attribute.path().is_ident("doc") || attribute.path().is_ident("cfg");
    bare.attrs.retain(kept);
    for each in &mut bare.fields {
        each.attrs.retain(kept);
    }
    quote!(#bare)
}

/// A bracketed list of expressions.
pub fn list(input: syn::parse::ParseStream<'_>) -> Result<Vec<syn::Expr>> {
    let inside;
    syn::bracketed!(inside in input);
    Ok(Punctuated::<syn::Expr, Token![,]>::parse_terminated(&inside)?.into_iter().collect())
}
