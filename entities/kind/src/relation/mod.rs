//! Relations between kinds. They are declared above all kinds, so that no kind imports another, and each says once how it is
//! shown, planned, loaded for one row, and loaded for a whole level of rows.

mod known;
mod loaded;
mod paged;
mod scope;

pub use known::{ById, Known, known};
pub(crate) use loaded::by_id;
pub use loaded::{By, Many, One, Rows, children};
pub use paged::{Each, ListArguments, Pages, argument};
pub use scope::{InScope, Scope, Scoped};

use async_graphql::{
    ComplexObject, Context, OutputType, ServerResult, Value,
    registry::{MetaField, Registry},
};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::OnceLock,
};

/// One or more fields of `P`.
#[async_trait]
pub trait Relation<P>: Send + Sync {
    /// The fields, as the schema has them.
    fn fields(&self, registry: &mut Registry) -> Vec<(String, MetaField)>;

    /// The kinds whose rows the relation reads, by the names of its fields.
    fn plans(&self) -> Vec<Plan>;

    /// A field of one row. None: the field is not this relation's.
    async fn resolve(&'static self, of: &P, cx: &Context<'_>) -> ServerResult<Option<Value>>;

    /// A field of a whole level of rows: a value each, in their order. None: not its field, or only row by row.
    fn all<'a>(&'static self, _: &'a Context<'a>, _: &'a [&'a P]) -> Option<BoxFuture<'a, Option<Vec<Value>>>> {
        None
    }
}

/// The kind of the entries of a history.
pub const HISTORY: &str = "event";

/// The kinds that a field of an object reads: their filters are planned before the query's transaction opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    field: &'static str,
    method: bool,
    pub kinds: &'static [&'static str],
    /// Whether it reads rows of organizations that engaged the acting one, too.
    pub across: bool,
    /// Whether it asks what the reader may do with the things of its kinds.
    pub judging: bool,
}

impl Plan {
    pub const fn of(field: &'static str, kinds: &'static [&'static str]) -> Self {
        Plan { field, method: false, kinds, across: false, judging: false }
    }

    /// The plan of a method's field, which the schema writes in camel case.
    pub const fn named(method: &'static str, kinds: &'static [&'static str]) -> Self {
        Plan { method: true, ..Plan::of(method, kinds) }
    }

    /// The field, as the schema writes it.
    pub fn shown(&self) -> String {
        if self.method { schema::camel_case(self.field) } else { self.field.to_owned() }
    }

    pub const fn across(self) -> Self {
        Plan { across: true, ..self }
    }

    pub const fn judging(self) -> Self {
        Plan { judging: true, ..self }
    }
}

/// Fields of the query root, with the kinds that each reads.
pub trait Root {
    const PLANS: &'static [Plan];
}

/// Merges query fields, and takes their plans along. `scoped`: all of them can be asked of an organization.
#[macro_export]
macro_rules! query {
    ($(#[doc = $about:literal])* $name:ident scoped: $($query:ty,)*) => {
        $crate::query!($(#[doc = $about])* $name: $($query,)*);

        impl $crate::Scoped for $name {
            fn of(scope: $crate::Scope) -> Self {
                $name($(<$query as $crate::Scoped>::of(scope),)*)
            }
        }
    };
    ($(#[doc = $about:literal])* $name:ident: $($query:ty,)*) => {
        $(#[doc = $about])*
        #[derive(::async_graphql::MergedObject, Default)]
        pub struct $name($($query,)*);

        impl $crate::Root for $name {
            const PLANS: &'static [$crate::Plan] =
                &$crate::joined::<$crate::Plan, { 0 $(+ <$query as $crate::Root>::PLANS.len())* }>(&[$(<$query as $crate::Root>::PLANS,)*]);
        }
    };
}

/// All relations of one object.
pub struct Relations<P: 'static>(pub &'static [&'static dyn Relation<P>]);

/// The relations of one object with its type erased.
pub trait Declared: Send + Sync {
    fn parent(&self) -> TypeId;
    /// The object's name in the schema.
    fn object(&self) -> String;
    fn plans(&self) -> Vec<Plan>;
    fn any(&'static self) -> &'static (dyn Any + Send + Sync);
}

impl<P: OutputType + 'static> Declared for Relations<P> {
    fn parent(&self) -> TypeId {
        TypeId::of::<P>()
    }
    fn object(&self) -> String {
        P::type_name().into_owned()
    }
    fn plans(&self) -> Vec<Plan> {
        self.0.iter().flat_map(|relation| relation.plans()).collect()
    }
    fn any(&'static self) -> &'static (dyn Any + Send + Sync) {
        self
    }
}

type ByParent = HashMap<TypeId, Vec<&'static (dyn Any + Send + Sync)>>;

static DECLARED: OnceLock<ByParent> = OnceLock::new();

/// Makes the relations known, once, before any schema is made. An object may be declared at several levels of the house.
pub fn declare(all: impl IntoIterator<Item = &'static dyn Declared>) {
    schema::declare_operation_fields(&OfOperation);
    DECLARED.get_or_init(|| {
        let mut by_parent = ByParent::new();
        for relations in all {
            by_parent.entry(relations.parent()).or_default().push(relations.any());
        }
        by_parent
    });
}

fn of<P: 'static>() -> impl Iterator<Item = &'static dyn Relation<P>> {
    let known = DECLARED.get().unwrap_or_else(|| panic!("relations are declared before a schema is made"));
    let declared = known.get(&TypeId::of::<P>()).into_iter().flatten();
    declared.filter_map(|relations| relations.downcast_ref::<Relations<P>>()).flat_map(|relations| relations.0).copied()
}

pub fn fields<P: 'static>(registry: &mut Registry) -> Vec<(String, MetaField)> {
    let mut fields = Vec::new();
    of::<P>().for_each(|relation| fields.extend(relation.fields(registry)));
    fields
}

pub async fn resolve<P: OutputType + Sync + 'static>(row: &P, cx: &Context<'_>) -> ServerResult<Option<Value>> {
    for relation in of::<P>() {
        if let Some(value) = schema::contained(cx, &P::type_name(), relation.resolve(row, cx).await)? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

pub fn all<'a, P: 'static>(cx: &'a Context<'a>, rows: &'a [&'a P]) -> Option<BoxFuture<'a, Option<Vec<Value>>>> {
    of::<P>().find_map(|relation| relation.all(cx, rows))
}

/// The relations of operations, whose type belongs to the contract.
struct OfOperation;

#[async_trait]
impl schema::OperationFields for OfOperation {
    fn fields(&self, registry: &mut Registry) -> Vec<(String, MetaField)> {
        fields::<schema::Operation>(registry)
    }

    async fn resolve(&self, of: &schema::Operation, cx: &Context<'_>) -> ServerResult<Option<Value>> {
        resolve(of, cx).await
    }
}

/// Adds the relations to an object that derives its own fields.
#[macro_export]
macro_rules! related {
    ($($type:ty),* $(,)?) => {
        $(
            #[::async_trait::async_trait]
            impl ::async_graphql::ComplexObject for $type {
                fn fields(
                    registry: &mut ::async_graphql::registry::Registry,
                ) -> Vec<(String, ::async_graphql::registry::MetaField)> {
                    $crate::relation::fields::<Self>(registry)
                }
                async fn resolve_field(
                    &self,
                    cx: &::async_graphql::Context<'_>,
                ) -> ::async_graphql::ServerResult<Option<::async_graphql::Value>> {
                    $crate::relation::resolve(self, cx).await
                }
            }
        )*
    };
}

/// Fields that are computed by methods of a wrapper.
pub struct Computed<P, W> {
    pub of: fn(&P) -> W,
    pub plans: &'static [Plan],
}

#[async_trait]
impl<P: Sync, W: ComplexObject + Send + Sync> Relation<P> for Computed<P, W> {
    fn fields(&self, registry: &mut Registry) -> Vec<(String, MetaField)> {
        W::fields(registry)
    }

    fn plans(&self) -> Vec<Plan> {
        self.plans.to_vec()
    }

    async fn resolve(&'static self, of: &P, cx: &Context<'_>) -> ServerResult<Option<Value>> {
        let computed = (self.of)(of);
        computed.resolve_field(cx).await
    }
}

fn is(cx: &Context<'_>, name: &str) -> bool {
    cx.item.node.name.node == name
}

async fn value(cx: &Context<'_>, of: &impl OutputType) -> ServerResult<Value> {
    of.resolve(&cx.with_selection_set(&cx.item.node.selection_set), cx.item).await
}

fn field<T: OutputType>(registry: &mut Registry, name: &str, about: &str) -> MetaField {
    let mut field = MetaField::new(name, T::create_type_info(registry));
    field.description = Some(about.to_owned());
    field
}

/// Declares the relations of an object, in the order in which its schema has them.
#[macro_export]
macro_rules! relations {
    ($name:ident of $parent:ty { $($(#[doc = $about:literal])* $field:ident: $how:ident ( $($what:tt)* ),)* }) => {
        pub static $name: $crate::relation::Relations<$parent> = $crate::relation::Relations(&[
            $($crate::relations!(@ $how $parent, stringify!($field), concat!($($about),*), $($what)*),)*
        ]);
    };
    // One row, which a column names.
    (@ one $parent:ty, $field:expr, $about:expr, $child:ty, |$row:ident| $key:expr) => {
        &$crate::relation::One::<$parent, $child> {
            field: $field,
            about: $about.trim_ascii(),
            plans: &[$crate::relation::Plan::of($field, &[<$child as $crate::Row>::KIND])],
            key: |$row| $key,
            child: std::marker::PhantomData,
        }
    };
    // Someone who is known by an id alone, such as a person.
    (@ known $parent:ty, $field:expr, $about:expr, $known:ty, |$row:ident| $id:expr) => {
        &$crate::relation::ById::<$parent, $known> {
            field: $field,
            about: $about.trim_ascii(),
            plans: &[$crate::relation::Plan::of($field, &[<$known as $crate::relation::Known>::KIND])],
            id: |$row| $id,
            known: std::marker::PhantomData,
        }
    };
    // The rows that one statement finds for many parents.
    (@ many $parent:ty, $field:expr, $about:expr, $child:ty, $rows:expr $(, by $name:literal: $of:ty = $condition:expr)?) => {
        &$crate::relation::Many::<$parent, $child> {
            field: $field,
            about: $about.trim_ascii(),
            plans: &[$crate::relation::Plan::of($field, &[<$child as $crate::Row>::KIND])],
            key: |row| (row.organization_id, row.id.0),
            rows: $rows,
            by: $crate::relations!(@ by $($name, $of, $condition)?),
        }
    };
    (@ by) => { None };
    (@ by $name:literal, $of:ty, $condition:expr) => {
        Some($crate::relation::By {
            declare: |registry, field| $crate::relation::argument::<Option<$of>>(registry, field, $name),
            read: |cx| {
                let given: Option<$of> = cx.param_value($name, None)?.1;
                Ok(given.map(|given| (given.to_string(), $condition(given))))
            },
        })
    };
    // The history of a thing of a kind.
    (@ history $parent:ty, $field:expr, $about:expr, $kind:expr) => {
        &$crate::relation::Pages::<$parent, _, _> {
            field: $field,
            about: $about.trim_ascii(),
            plans: &[$crate::relation::Plan::of($field, &[$crate::relation::HISTORY])],
            run: |snapshot, row, (), page| Box::pin(history::list(snapshot, row.organization_id, $kind, row.id.0, page)),
            each: None,
        }
    };
    // A page of rows.
    (@ page $parent:ty, $field:expr, $about:expr, reads $kinds:expr, $run:expr $(, each $each:expr)?) => {
        &$crate::relation::Pages::<$parent, _, _> {
            field: $field,
            about: $about.trim_ascii(),
            plans: &[$crate::relation::Plan::of($field, $kinds)],
            run: $run,
            each: $crate::relations!(@ each $($each)?),
        }
    };
    (@ each) => { None };
    (@ each $each:expr) => { Some($each) };
    // Fields that a wrapper's methods compute.
    (@ computed $parent:ty, $field:expr, $about:expr, $of:expr, $plans:expr) => {
        &$crate::relation::Computed::<$parent, _> { of: $of, plans: $plans }
    };
}
