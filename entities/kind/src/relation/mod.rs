//! Relations between kinds. They are declared above all kinds, so that no kind imports another, and each says once how it is
//! shown, planned, loaded for one row, and loaded for a whole level of rows.

mod loaded;
mod paged;

pub(crate) use loaded::by_id;
pub use loaded::{Many, One, Rows, children};
pub use paged::{Each, ListArguments, Pages};

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

/// The kinds that a field of an object reads: their filters are planned before the query's transaction opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    field: &'static str,
    method: bool,
    pub kinds: &'static [&'static str],
    /// Whether it reads rows of organizations that engaged the acting one, too.
    pub across: bool,
}

impl Plan {
    pub const fn of(field: &'static str, kinds: &'static [&'static str]) -> Self {
        Plan { field, method: false, kinds, across: false }
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
}

/// Fields of the query root, with the kinds that each reads.
pub trait Root {
    const PLANS: &'static [Plan];
}

/// Merges the query fields of a pillar, and takes their plans along.
#[macro_export]
macro_rules! query {
    ($name:ident: $($query:ty,)*) => {
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

type ByParent = HashMap<TypeId, &'static (dyn Any + Send + Sync)>;

static DECLARED: OnceLock<ByParent> = OnceLock::new();

/// Makes the relations known, once, before any schema is made.
pub fn declare(all: &[&'static dyn Declared]) {
    DECLARED.get_or_init(|| {
        let by_parent: ByParent = all.iter().map(|relations| (relations.parent(), relations.any())).collect();
        assert_eq!(by_parent.len(), all.len(), "an object's relations are declared together");
        by_parent
    });
}

fn of<P: 'static>() -> &'static [&'static dyn Relation<P>] {
    let known = DECLARED.get().unwrap_or_else(|| panic!("relations are declared before a schema is made"));
    let found = known.get(&TypeId::of::<P>()).and_then(|relations| relations.downcast_ref::<Relations<P>>());
    found.map_or(&[], |relations| relations.0)
}

pub fn fields<P: 'static>(registry: &mut Registry) -> Vec<(String, MetaField)> {
    of::<P>().iter().flat_map(|relation| relation.fields(registry)).collect()
}

pub async fn resolve<P: Sync + 'static>(row: &P, cx: &Context<'_>) -> ServerResult<Option<Value>> {
    for relation in of::<P>() {
        if let Some(value) = relation.resolve(row, cx).await? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

pub fn all<'a, P: 'static>(cx: &'a Context<'a>, rows: &'a [&'a P]) -> Option<BoxFuture<'a, Option<Vec<Value>>>> {
    of::<P>().iter().find_map(|relation| relation.all(cx, rows))
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
    // The rows that one statement finds for many parents.
    (@ many $parent:ty, $field:expr, $about:expr, $child:ty, $rows:expr) => {
        &$crate::relation::Many::<$parent, $child> {
            field: $field,
            about: $about.trim_ascii(),
            plans: &[$crate::relation::Plan::of($field, &[<$child as $crate::Row>::KIND])],
            key: |row| (row.organization_id, row.id.0),
            rows: $rows,
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
