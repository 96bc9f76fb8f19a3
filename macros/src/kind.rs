//! `#[kind]`: one struct for a table's row, for the object that clients see, and for the attributes that policies see.

use crate::{
    ends::{CORRECTION, corrects, termed},
    field,
    row::{self, Column},
};
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{Error, Expr, Ident, ItemStruct, LitBool, LitStr, Path, Result, parse::Parser, spanned::Spanned};

#[derive(Default)]
struct Arguments {
    object: Option<Ident>,
    table: Option<LitStr>,
    /// The name for policies and events, where the table has another.
    kind: Option<LitStr>,
    shelved_by: Option<Ident>,
    below: Option<Ident>,
    names: Option<Ident>,
    delegated: Option<Ident>,
    rights: Option<Ident>,
    also: Vec<Expr>,
    /// The columns that ever change, besides version and time. None: all of them.
    changes: Option<Vec<Expr>>,
    finder: Option<LitBool>,
    /// The function that says whether a row is in a state for a verb.
    possible: Option<Path>,
    prepared: Option<Path>,
    /// The rows are the acting organization's, even where a request is about another one's data.
    acting: bool,
    /// The database itself writes the rows.
    projected: bool,
    /// The row of examples and tests: its columns besides those that every row gets by itself.
    sample: Option<proc_macro2::Group>,
    /// The object is a struct of its own.
    apart: bool,
}

fn arguments(args: Tokens) -> Result<Arguments> {
    let mut known = Arguments::default();
    let parser = syn::meta::parser(|meta| {
        let path = &meta.path;
        if path.is_ident("table") {
            known.table = Some(meta.value()?.parse()?);
        } else if path.is_ident("kind") {
            known.kind = Some(meta.value()?.parse()?);
        } else if path.is_ident("possible") {
            known.possible = Some(meta.value()?.parse()?);
        } else if path.is_ident("prepared") {
            known.prepared = Some(meta.value()?.parse()?);
        } else if path.is_ident("acting") {
            known.acting = true;
        } else if path.is_ident("projected") {
            known.projected = true;
        } else if path.is_ident("shelved_by") {
            known.shelved_by = Some(meta.value()?.parse()?);
        } else if path.is_ident("below") {
            known.below = Some(meta.value()?.parse()?);
        } else if path.is_ident("names") {
            known.names = Some(meta.value()?.parse()?);
        } else if path.is_ident("delegated") {
            known.delegated = Some(meta.value()?.parse()?);
        } else if path.is_ident("rights") {
            known.rights = Some(meta.value()?.parse()?);
        } else if path.is_ident("sample") {
            known.sample = Some(meta.value()?.parse()?);
        } else if path.is_ident("finder") {
            known.finder = Some(meta.value()?.parse()?);
        } else if path.is_ident("apart") {
            known.apart = true;
        } else if path.is_ident("changes") {
            known.changes = Some(row::list(meta.value()?)?);
        } else if path.is_ident("also") {
            known.also = row::list(meta.value()?)?;
        } else if known.object.is_none()
            && path.get_ident().is_some_and(|ident| ident.to_string().starts_with(char::is_uppercase))
        {
            known.object = path.get_ident().cloned();
        } else {
            return Err(meta.error(
                "#[kind] takes the object's name, table, kind, shelved_by, below, names, delegated, rights, changes, also, finder, possible, prepared, sample, acting, projected and apart",
            ));
        }
        Ok(())
    });
    parser.parse2(args)?;
    Ok(known)
}

/// The marks that fields have besides their types.
struct Marks {
    /// The attribute's name for policies.
    policy: Vec<(Ident, String)>,
    /// Columns that no client sees.
    hidden: Vec<Ident>,
    /// Columns of a new row that the database fills in.
    given: Vec<Ident>,
}

pub fn expand(args: Tokens, item: Tokens) -> Result<Tokens> {
    let mut item = field::plain(item, "kind")?;
    let known = arguments(args.clone())?;
    let object =
        known.object.clone().ok_or_else(|| Error::new(args.span(), "say how clients call it: #[kind(ExternalParty, …)]"))?;
    let table = known.table.clone().ok_or_else(|| Error::new(args.span(), "say which table: table = \"…\""))?;
    let about = field::about(&item.attrs);
    let about = about.ok_or_else(|| Error::new(item.ident.span(), "say in a doc comment what clients read about it"))?;
    let (marks, added) = marks(&mut item)?;
    let keys = [quote::format_ident!("organization_id"), quote::format_ident!("id")];
    let mut columns = row::columns(&mut item, &keys)?;
    if let Some(changes) = &known.changes {
        only(&mut columns, changes)?;
    }
    if known.projected {
        columns.iter_mut().for_each(|column| column.fixed = true);
    }
    let has = |name: &str| columns.iter().any(|column| column.ident == name);
    for needed in ["id", "organization_id", "version", "created_at", "updated_at"] {
        if !has(needed) {
            let message = format!("a kind has {needed}; one that is special writes the trait Kind by hand");
            return Err(Error::new(item.ident.span(), message));
        }
    }
    for named in known.shelved_by.iter().chain(&known.below).chain(&known.names) {
        if !has(&named.to_string()) {
            return Err(Error::new(named.span(), "no such field"));
        }
    }
    if let (Some(_), Some(names)) = (&known.below, &known.names) {
        return Err(Error::new(names.span(), "its events name the property that it is below"));
    }
    let name = object.to_string();
    let derives = if known.apart {
        Tokens::new()
    } else {
        quote! {
            #[derive(::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema)]
            #[serde(rename_all = "camelCase")]
            #[schemars(rename = #name)]
        }
    };
    let table_of = row::table_of(&item, &table, &columns, known.finder.as_ref().is_none_or(LitBool::value), &derives);
    let judged = judged(&known, &columns, &marks, &table)?;
    let shown = if known.apart { Tokens::new() } else { shown(&object, &about, &columns, &marks.hidden) };
    let fresh = fresh(&object, &known, &columns, &marks.given);
    let corrects = corrects(&columns);
    let termed = termed(&columns);
    let by_id = by_id(&known, &columns);
    Ok(quote! {
        #table_of
        #(#added)*

        #by_id
        #judged
        #shown
        #fresh
        #corrects
        #termed
    })
}

/// Takes our marks off the fields.
fn marks(item: &mut ItemStruct) -> Result<(Marks, Vec<Tokens>)> {
    let (mut policy, mut hidden, mut given, mut added) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for each in row::fields(item) {
        let ident = field::ident(each).clone();
        if let Some(attribute) = field::take(each, &["policy"])? {
            if matches!(ident.to_string().as_str(), "id" | "organization_id") {
                return Err(Error::new(attribute.span(), "policies see who and whose it is anyway"));
            }
            let name: Option<LitStr> = field::argument(&attribute)?;
            policy.push((ident.clone(), name.map_or_else(|| field::camel(&field::column(&ident)), |name| name.value())));
        }
        if field::flag(each, "given")? {
            given.push(ident.clone());
        }
        if field::flag(each, "hidden")? {
            each.attrs.push(syn::parse_quote!(#[serde(skip)]));
            hidden.push(ident.clone());
        }
        if let Some(attribute) = field::take(each, &["added"])? {
            let value: Expr =
                field::argument(&attribute)?.ok_or_else(|| Error::new(attribute.span(), "say what outcomes from before have"))?;
            let (function, ty) = (quote::format_ident!("added_{}", field::column(&ident)), each.ty.clone());
            let path = function.to_string();
            each.attrs.push(syn::parse_quote!(#[serde(default = #path)]));
            added.push(quote!(fn #function() -> #ty { #value }));
        }
    }
    Ok((Marks { policy, hidden, given }, added))
}

/// Fixes all columns but these, and but those that every change stamps.
fn only(columns: &mut [Column], changes: &[Expr]) -> Result<()> {
    let named = |expr: &Expr| match expr {
        Expr::Path(path) => path.path.get_ident().cloned().ok_or_else(|| Error::new(expr.span(), "a field's name")),
        other => Err(Error::new(other.span(), "a field's name")),
    };
    let changes: Vec<Ident> = changes.iter().map(named).collect::<Result<_>>()?;
    if let Some(unknown) = changes.iter().find(|name| !columns.iter().any(|column| column.ident == **name)) {
        return Err(Error::new(unknown.span(), "no such field"));
    }
    for column in columns {
        column.fixed = !changes.contains(&column.ident) && column.ident != "version" && column.ident != "updated_at";
    }
    Ok(())
}

fn by_id(known: &Arguments, columns: &[Column]) -> Tokens {
    if known.finder.as_ref().is_some_and(|finder| !finder.value()) {
        return Tokens::new();
    }
    let id = id(columns);
    quote! {
        /// The row with this id in an organization.
        pub fn by_id(organization: ::schema::OrganizationId, id: #id) -> ::sea_orm::Select<Entity> {
            use ::sea_orm::{ColumnTrait as _, QueryFilter as _};
            of(organization).filter(Column::Id.eq(id))
        }
    }
}

fn id(columns: &[Column]) -> &syn::Type {
    columns.iter().find(|column| column.ident == "id").map_or_else(|| unreachable!("a kind has an id"), |column| &column.ty)
}

/// The row as a subject of policies.
fn judged(known: &Arguments, columns: &[Column], marks: &Marks, table: &LitStr) -> Result<Tokens> {
    let kind = known.kind.as_ref().unwrap_or(table);
    let delegations = match (&known.below, &known.delegated) {
        (None, Some(what)) if what == "Thing" => {
            Some((quote!(OF_THING), quote!(Thing(self.property_id.map(|id| id.0).or(self.portfolio_id.map(|id| id.0))?))))
        }
        (None, Some(what)) if what == "Case" => Some((quote!(OF_CASE), quote!(Case(self.case_id.0)))),
        (Some(below), None) => Some((quote!(BESIDE_PROPERTY), quote!(Property(self.#below.0)))),
        (None, Some(what)) if what == "Property" => Some((quote!(OF_PROPERTY), quote!(Property(self.id.0)))),
        (None, Some(what)) if what == "Portfolio" => Some((quote!(OF_PORTFOLIO), quote!(Portfolio(self.id.0)))),
        (None, None) => None,
        (_, Some(what)) => {
            return Err(Error::new(
                what.span(),
                "Property, Portfolio, Thing (of either) or Case is delegated; what hangs on a property is below it",
            ));
        }
    };
    let (link, delegable) = match delegations {
        Some((link, what)) => (
            Some(quote!(::kind::delegated::attribute(&::kind::delegated::#link),)),
            Some(quote!(fn delegable(&self) -> Option<::kind::Delegable> { Some(::kind::Delegable::#what) })),
        ),
        None => (None, None),
    };
    let type_of = |ident: &Ident| columns.iter().find(|column| column.ident == *ident).map(|column| &column.ty);
    let policy = marks.policy.iter().filter_map(|(ident, name)| {
        let (ty, column) = (type_of(ident)?, field::column(ident));
        Some(quote!(::kind::fact::<#ty>(#name, #column),))
    });
    let facts = marks.policy.iter().map(|(ident, name)| quote!((#name, ::schema::Datum::fact(&self.#ident))));
    let also = &known.also;
    let rights = known.rights.as_ref().map_or_else(|| quote!(None), |rights| quote!(#rights));
    let names = known.below.as_ref().or(known.names.as_ref()).map(|named| {
        let name = field::camel(&named.to_string());
        let optional = type_of(named).and_then(field::outer).is_some_and(|outer| outer == "Option");
        let id = if optional { quote!(self.#named?.0) } else { quote!(self.#named.0) };
        quote!(fn names(&self) -> Option<(&'static str, ::uuid::Uuid)> { Some((#name, #id)) })
    });
    Ok(quote! {
        pub const KIND: &str = #kind;
        pub static RESOURCE: ::queryplan::Resource = ::queryplan::Resource {
            table: #table,
            id: ::queryplan::Scalar::uuid("id"),
            attributes: &[::kind::relation("organization_id"), #link #(#policy)* #(#also,)*],
        };
        pub static INFO: ::kind::KindInfo = ::kind::KindInfo::of::<Model>(&RESOURCE, ::kind::Rights::#rights);

        impl ::kind::Row for Model {
            const KIND: &'static str = KIND;
            fn id(&self) -> ::uuid::Uuid {
                self.id.0
            }
            fn organization(&self) -> ::schema::OrganizationId {
                self.organization_id
            }
            fn version(&self) -> Option<i32> {
                Some(self.version)
            }
            fn attributes(&self) -> ::serde_json::Map<String, ::serde_json::Value> {
                ::kind::facts([#(#facts),*])
            }
            #delegable
            #names
        }
    })
}

/// The row as the object that clients see.
fn shown(object: &Ident, about: &str, columns: &[Column], hidden: &[Ident]) -> Tokens {
    let name = object.to_string();
    let called = format!("{name}, as clients call it.");
    let columns: Vec<&Column> = columns.iter().filter(|column| !hidden.contains(&column.ident)).collect();
    let fields = columns.iter().map(|Column { ident, ty, about, .. }| {
        let shown = field::camel(&field::column(ident));
        let about = about.as_ref().map_or_else(|| quote!(None), |about| quote!(Some(#about)));
        quote!(fields.add::<#ty>(#shown, #about);)
    });
    let names: Vec<String> = columns.iter().map(|column| field::camel(&column.name())).collect();
    let idents: Vec<&Ident> = columns.iter().map(|column| &column.ident).collect();
    quote! {
        #[doc = #called]
        pub type #object = Model;

        impl ::kind::OnePass for Model {
            fn plain(&self, name: &str) -> Option<::async_graphql::Value> {
                match name {
                    #(#names => Some(::async_graphql::InputType::to_value(&self.#idents)),)*
                    _ => None,
                }
            }
            fn is_plain(name: &str) -> bool {
                matches!(name, #(#names)|*)
            }
        }

        #[::async_trait::async_trait]
        impl ::async_graphql::OutputType for Model {
            fn type_name() -> ::std::borrow::Cow<'static, str> {
                #name.into()
            }
            fn create_type_info(registry: &mut ::async_graphql::registry::Registry) -> String {
                ::kind::object::<Self>(registry, #about, |fields| {
                    #(#fields)*
                })
            }
            async fn resolve(
                &self,
                cx: &::async_graphql::ContextSelectionSet<'_>,
                _: &::async_graphql::Positioned<::async_graphql::parser::types::Field>,
            ) -> ::async_graphql::ServerResult<::async_graphql::Value> {
                ::async_graphql::resolver_utils::resolve_container(cx, self).await
            }
        }

        #[::async_trait::async_trait]
        impl ::async_graphql::ContainerType for Model {
            async fn resolve_field(
                &self,
                cx: &::async_graphql::Context<'_>,
            ) -> ::async_graphql::ServerResult<Option<::async_graphql::Value>> {
                ::kind::resolve_field(self, cx).await
            }
        }

        impl ::async_graphql::ObjectType for Model {}
    }
}

/// The struct of the columns that the maker of a row says: all but those that every row gets by itself.
fn fresh(object: &Ident, known: &Arguments, columns: &[Column], given: &[Ident]) -> Tokens {
    let shelved = known.shelved_by.as_ref();
    let corrected = corrects(columns).is_some();
    let correction = corrected.then(|| quote!(corrects_id: None, corrected_at: None, correction_reason: None,));
    let born = |column: &Column| {
        matches!(column.name().as_str(), "id" | "organization_id" | "version" | "created_at" | "updated_at")
            || given.contains(&column.ident)
            || (shelved.is_some() && column.ident == "archived_at")
            || shelved == Some(&column.ident)
            || (corrected && CORRECTION.contains(&column.name().as_str()))
    };
    let (own, types): (Vec<_>, Vec<_>) =
        columns.iter().filter(|column| !born(column)).map(|column| (&column.ident, &column.ty)).unzip();
    let archived_at = columns.iter().any(|column| column.ident == "archived_at");
    let from_database = quote!(#(#given: ::core::default::Default::default(),)*);
    let possible = known.possible.as_ref().map(|possible| {
        quote! {
            fn possible(&self, verb: &str, acting: ::schema::OrganizationId, now: ::chrono::DateTime<::chrono::Utc>) -> bool {
                #possible(self, verb, acting, now)
            }
        }
    });
    let prepared = known.prepared.as_ref().map(|prepared| {
        quote! {
            fn prepared<'a>(
                tx: &'a ::schema::Tx,
                rows: &'a mut [Self],
                acting: ::schema::OrganizationId,
                now: ::chrono::DateTime<::chrono::Utc>,
            ) -> ::futures_util::future::BoxFuture<'a, ::schema::Result<()>> {
                ::std::boxed::Box::pin(#prepared(tx, rows, acting, now))
            }
        }
    });
    let acting = known.acting.then(|| {
        quote!(
            const ACTING: bool = true;
        )
    });
    let (shelf, archived, archive) = match shelved {
        Some(status) => {
            let at = (archived_at).then(|| quote!(archived_at: None,));
            let set = archived_at.then(|| quote!(active.archived_at = ::sea_orm::ActiveValue::Set(archived.then_some(now));));
            (
                Some(quote!(#status: ::kind::shelf(false), #at)),
                Some(quote!(fn archived(&self) -> bool { self.#status == ::kind::shelf(true) })),
                Some(quote! {
                    impl ::kind::Shelved for Model {
                        const STATUS: &'static str = stringify!(#status);
                        fn shelve(active: &mut ActiveModel, archived: bool, now: ::schema::Time) {
                            active.#status = ::sea_orm::ActiveValue::Set(::kind::shelf(archived));
                            let _ = now;
                            #set
                        }
                    }
                }),
            )
        }
        None => (None, None, None),
    };
    let sample = known.sample.as_ref().map(|sample| {
        let status = shelved.map(|status| quote!(sample[stringify!(#status)] = "ACTIVE".into();));
        quote! {
            fn sample() -> Option<::serde_json::Value> {
                let mut sample = ::serde_json::json!(#sample);
                sample["id"] = ::serde_json::json!(<Self as ::kind::Kind>::EXAMPLE);
                #status
                Some(sample)
            }
        }
    });
    let id = id(columns);
    let about = format!("The columns of a new {object} that its maker says.");
    quote! {
        #[doc = #about]
        #[derive(Debug, Clone)]
        pub struct Fresh {
            #(pub #own: #types,)*
        }

        impl ::kind::Fresh for Fresh {
            type Row = Model;
            fn row(self, id: ::uuid::Uuid, organization_id: ::schema::OrganizationId, now: ::schema::Time) -> Model {
                let Fresh { #(#own),* } = self;
                Model { id: id.into(), organization_id, version: 1, created_at: now, updated_at: now, #from_database #shelf #correction #(#own),* }
            }
        }

        impl ::kind::Kind for Model {
            type Id = #id;
            type Object = #object;
            const INFO: &'static ::kind::KindInfo = &INFO;
            const EXAMPLE: #id = <#id>::EXAMPLE;
            const ORGANIZATION: Column = Column::OrganizationId;
            const ID: Column = Column::Id;
            #acting
            fn by_id(organization: ::schema::OrganizationId, id: #id) -> ::sea_orm::Select<Entity> {
                by_id(organization, id)
            }
            fn stamp(active: &mut ActiveModel, version: i32, now: ::schema::Time) {
                active.version = ::sea_orm::ActiveValue::Set(version);
                active.updated_at = ::sea_orm::ActiveValue::Set(now);
            }
            #archived
            #possible
            #prepared
            #sample
        }
        #archive
    }
}
