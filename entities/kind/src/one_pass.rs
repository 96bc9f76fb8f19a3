//! Answers made in one pass over the selection once their rows are loaded, without a future for each field. Relations are
//! loaded for all rows at once. A selection that the pass does not support, or whose loading fails, is resolved field by
//! field: the answer is the same, or the error stands where it belongs.

use crate::{
    page::{Connection, Edge, PageInfo},
    relation,
};
use async_graphql::{
    ContextSelectionSet, InputType, Name, OutputType, Positioned, ServerResult, Value,
    indexmap::IndexMap,
    parser::types::{Field, Selection},
    registry::Registry,
};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use schema::Reads;
use std::{borrow::Cow, sync::Arc};

/// An object that answers fields out of its row.
pub trait OnePass: OutputType + Sync {
    /// The value of a field that needs nothing but the row.
    fn plain(&self, name: &str) -> Option<Value>;

    fn is_plain(name: &str) -> bool;

    /// The value of a field that is an object, and lies in the row as well.
    fn within(&self, _: &Shape<'_>, _: &str) -> Option<Value> {
        None
    }

    /// The selection within such a field. None: no such field, or the pass does not support the selection.
    fn shape_within<'a>(_: &ContextSelectionSet<'a>, _: &str) -> Option<Shape<'a>> {
        None
    }
}

/// Declares the fields of an object that are in its row. All others go field by field.
#[macro_export]
macro_rules! plain {
    ($type:ty { $($name:literal = $field:ident),* $(,)? } $(within { $($part:literal = $object:ident),* $(,)? })?) => {
        impl $crate::OnePass for $type {
            fn plain(&self, name: &str) -> Option<::async_graphql::Value> {
                match name {
                    $($name => Some(::async_graphql::InputType::to_value(&self.$field)),)*
                    _ => None,
                }
            }

            fn is_plain(name: &str) -> bool {
                matches!(name, $($name)|*)
            }

            $(
                fn within(&self, shape: &$crate::one_pass::Shape<'_>, name: &str) -> Option<::async_graphql::Value> {
                    match name {
                        $($part => shape.object(&self.$object),)*
                        _ => None,
                    }
                }

                fn shape_within<'a>(cx: &::async_graphql::ContextSelectionSet<'a>, name: &str) -> Option<$crate::one_pass::Shape<'a>> {
                    match name {
                        $($part => $crate::one_pass::Shape::of_part(cx, |whole: &Self| &whole.$object),)*
                        _ => None,
                    }
                }
            )?
        }
    };
}

crate::plain!(PageInfo {
    "hasNextPage" = has_next_page,
    "hasPreviousPage" = has_previous_page,
    "startCursor" = start_cursor,
    "endCursor" = end_cursor,
});

crate::plain!(schema::Operation {
    "id" = id,
    "organizationId" = organization_id,
    "procedure" = procedure,
    "idempotencyKey" = idempotency_key,
    "state" = state,
    "attempt" = attempt,
    "initiator" = initiator,
    "initiatorKind" = initiator_kind,
    "traceId" = trace_id,
    "createdAt" = created_at,
    "updatedAt" = updated_at,
    "expiresAt" = expires_at,
});

/// Collects the fields that a selection picks of an object of this type, fragments opened. None: the pass does not support it.
fn picked<'a, T: OutputType>(cx: &ContextSelectionSet<'a>, into: &mut Vec<&'a Positioned<Field>>) -> Option<()> {
    for selection in &cx.item.node.items {
        let (on, set) = match &selection.node {
            Selection::Field(field) => {
                let key = field.node.response_key();
                match into.iter().find(|known| known.node.response_key() == key) {
                    None => into.push(field),
                    // A repeated scalar counts once. Repeated objects would have to be merged, so the pass gives up.
                    Some(_) if field.node.selection_set.node.items.is_empty() => {}
                    Some(_) => return None,
                }
                continue;
            }
            Selection::InlineFragment(fragment) => (fragment.node.type_condition.as_ref(), &fragment.node.selection_set),
            Selection::FragmentSpread(spread) => {
                let fragment = cx.query_env.fragments.get(&spread.node.fragment_name.node)?;
                (Some(&fragment.node.type_condition), &fragment.node.selection_set)
            }
        };
        if on.is_some_and(|on| on.node.on.node.as_str() != T::type_name()) {
            return None;
        }
        picked::<T>(&cx.with_selection_set(set), into)?;
    }
    Some(())
}

fn fields<'a, T: OutputType>(cx: &ContextSelectionSet<'a>) -> Option<Vec<&'a Positioned<Field>>> {
    let mut fields = Vec::with_capacity(cx.item.node.items.len());
    picked::<T>(cx, &mut fields)?;
    Some(fields)
}

fn name(field: &Positioned<Field>) -> &str {
    field.node.name.node.as_str()
}

fn typename<T: OutputType>() -> Value {
    Value::String(T::type_name().into_owned())
}

/// The selected fields of an object, and the object with all values empty. Its keys are hashed once, not for each row.
pub struct Shape<'a> {
    fields: Vec<&'a Positioned<Field>>,
    empty: IndexMap<Name, Value>,
}

impl<'a> Shape<'a> {
    fn of<T: OutputType>(cx: &ContextSelectionSet<'a>) -> Option<Shape<'a>> {
        let fields = fields::<T>(cx)?;
        // New names: the document's names are reference-counted, and every request that runs it would count them, on every core.
        let named = |field: &&Positioned<Field>| (Name::new(field.node.response_key().node.as_str()), Value::Null);
        let empty: IndexMap<_, _> = fields.iter().map(named).collect();
        debug_assert_eq!(fields.len(), empty.len(), "a field of each name");
        Some(Shape { fields, empty })
    }

    /// The shape of an object that may lie in another.
    pub fn of_object<T: OnePass + 'static>(cx: &ContextSelectionSet<'a>) -> Option<Shape<'a>> {
        Shape::of::<T>(cx)
    }

    /// The shape of an object that lies in another.
    pub fn of_part<S, T: OnePass + 'static>(cx: &ContextSelectionSet<'a>, _: fn(&S) -> &T) -> Option<Shape<'a>> {
        Shape::of::<T>(cx)
    }

    fn filled(&self, mut value: impl FnMut(&str) -> Option<Value>) -> Option<Value> {
        let mut object = self.empty.clone();
        for (field, place) in self.fields.iter().zip(object.values_mut()) {
            *place = value(name(field))?;
        }
        Some(Value::Object(object))
    }

    /// The object of this shape, if all of it is in the row.
    pub fn object<T: OnePass + 'static>(&self, of: &T) -> Option<Value> {
        self.filled(|name| if name == "__typename" { Some(typename::<T>()) } else { of.plain(name) })
    }
}

/// The source of a field's values.
enum Source<'a> {
    Typename,
    Row,
    Within(Shape<'a>),
    Loaded(std::vec::IntoIter<Value>),
}

/// The bytes of an object in an answer besides those of its values.
pub const OBJECT: i64 = 200;
/// The bytes of a value with its name.
const VALUE: i64 = 80;

/// The bytes that a value takes in an answer, as it lies in memory.
pub fn size(value: &Value) -> i64 {
    match value {
        Value::String(text) => VALUE + i64::try_from(text.len()).unwrap_or(i64::MAX / 2),
        Value::List(items) => items.iter().map(size).fold(VALUE, i64::saturating_add),
        Value::Object(fields) => fields.values().map(size).fold(OBJECT, i64::saturating_add),
        _ => VALUE,
    }
}

/// The objects of all rows by one selection. None: the pass does not support it, or the loading failed.
pub async fn objects<'a, T: OnePass + 'static>(cx: &ContextSelectionSet<'a>, rows: &[&T]) -> Option<Vec<Value>> {
    let shape = Shape::of::<T>(cx)?;
    let mut sources = Vec::with_capacity(shape.fields.len());
    for field in &shape.fields {
        let source = match name(field) {
            "__typename" => Source::Typename,
            name if T::is_plain(name) => Source::Row,
            name => match T::shape_within(&cx.with_selection_set(&field.node.selection_set), name) {
                Some(shape) => Source::Within(shape),
                None => {
                    let field = cx.with_field(field);
                    let loaded = relation::all::<T>(&field, rows)?.await?;
                    Source::Loaded(loaded.into_iter())
                }
            },
        };
        sources.push(source);
    }
    let reads = cx.data::<Arc<Reads>>().ok()?;
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let (mut sources, mut bytes) = (sources.iter_mut(), OBJECT);
        // Loaded values have been counted where they were made.
        let mut counted = |value: Value| {
            bytes += size(&value);
            value
        };
        let object = shape.filled(|name| match sources.next()? {
            Source::Typename => Some(typename::<T>()),
            Source::Row => row.plain(name).map(&mut counted),
            Source::Within(shape) => row.within(shape, name).map(&mut counted),
            Source::Loaded(values) => values.next(),
        });
        all.push(object?);
        if !reads.grow(bytes) {
            return None;
        }
    }
    Some(all)
}

/// Lists of rows by one selection: a list of objects each.
pub async fn lists<T: OnePass + 'static>(cx: &ContextSelectionSet<'_>, lists: &[&[T]]) -> Option<Vec<Value>> {
    let rows: Vec<&T> = lists.iter().flat_map(|list| list.iter()).collect();
    let mut objects = objects(cx, &rows).await?.into_iter();
    Some(lists.iter().map(|list| Value::List(objects.by_ref().take(list.len()).collect())).collect())
}

/// Pages by one selection.
pub async fn connections<T: OnePass + 'static>(cx: &ContextSelectionSet<'_>, pages: &[&Connection<T>]) -> Option<Vec<Value>> {
    let Shape { fields, empty } = Shape::of::<Connection<T>>(cx)?;
    let mut made = vec![empty; pages.len()];
    for (at, field) in fields.into_iter().enumerate() {
        let set = cx.with_selection_set(&field.node.selection_set);
        let values: Vec<Value> = match name(field) {
            "__typename" => pages.iter().map(|_| typename::<Connection<T>>()).collect(),
            "totalCount" => pages.iter().map(|page| page.total_count.to_value()).collect(),
            "pageInfo" => {
                let shape = Shape::of::<PageInfo>(&set)?;
                pages.iter().map(|page| shape.object(&page.page_info)).collect::<Option<_>>()?
            }
            "edges" => edges(&set, pages).await?,
            "nodes" => nodes(&set, pages).await?,
            _ => return None,
        };
        for (page, value) in made.iter_mut().zip(values) {
            page[at] = value;
        }
    }
    Some(made.into_iter().map(Value::Object).collect())
}

async fn nodes<T: OnePass + 'static>(cx: &ContextSelectionSet<'_>, pages: &[&Connection<T>]) -> Option<Vec<Value>> {
    let rows: Vec<&T> = pages.iter().flat_map(|page| page.edges.iter().map(|edge| &edge.node)).collect();
    let mut objects = objects(cx, &rows).await?.into_iter();
    Some(pages.iter().map(|page| Value::List(objects.by_ref().take(page.edges.len()).collect())).collect())
}

async fn edges<T: OnePass + 'static>(cx: &ContextSelectionSet<'_>, pages: &[&Connection<T>]) -> Option<Vec<Value>> {
    let Shape { fields, empty } = Shape::of::<Edge<T>>(cx)?;
    let all: Vec<&Edge<T>> = pages.iter().flat_map(|page| page.edges.iter()).collect();
    let mut made = vec![empty; all.len()];
    for (at, field) in fields.into_iter().enumerate() {
        let values: Vec<Value> = match name(field) {
            "__typename" => all.iter().map(|_| typename::<Edge<T>>()).collect(),
            "cursor" => all.iter().map(|edge| Value::String(edge.cursor.encode())).collect(),
            "node" => {
                let rows: Vec<&T> = all.iter().map(|edge| &edge.node).collect();
                objects(&cx.with_selection_set(&field.node.selection_set), &rows).await?
            }
            _ => return None,
        };
        for (edge, value) in made.iter_mut().zip(values) {
            edge[at] = value;
        }
    }
    let mut made = made.into_iter().map(Value::Object);
    Some(pages.iter().map(|page| Value::List(made.by_ref().take(page.edges.len()).collect())).collect())
}

/// A value that can be answered in one pass. A schema shows the type that it holds.
pub struct Ready<T>(pub T);

/// The pass through a whole value. None: it goes field by field.
pub trait Whole: OutputType + Sync {
    fn whole<'a>(&'a self, cx: &'a ContextSelectionSet<'a>) -> BoxFuture<'a, Option<Value>>;
}

impl<T: OnePass + 'static> Whole for Connection<T> {
    fn whole<'a>(&'a self, cx: &'a ContextSelectionSet<'a>) -> BoxFuture<'a, Option<Value>> {
        Box::pin(async { connections(cx, &[self]).await?.pop() })
    }
}

impl<T: OnePass + 'static> Whole for T {
    fn whole<'a>(&'a self, cx: &'a ContextSelectionSet<'a>) -> BoxFuture<'a, Option<Value>> {
        Box::pin(async { objects(cx, &[self]).await?.pop() })
    }
}

#[async_trait]
impl<T: OutputType + Whole> OutputType for Ready<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn qualified_type_name() -> String {
        T::qualified_type_name()
    }

    fn introspection_type_name(&self) -> Cow<'static, str> {
        self.0.introspection_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(&self, cx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        let in_one_pass = cx.data::<Arc<Reads>>().is_ok_and(|reads| reads.gateway().limits.one_pass);
        let whole = if in_one_pass { self.0.whole(cx).await } else { None };
        match whole {
            Some(value) => Ok(value),
            None => self.0.resolve(cx, field).await,
        }
    }
}
