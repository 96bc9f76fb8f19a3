//! Keyset pages: stable while rows are inserted, exact in both directions.

use crate::cells::{self, Cells};
use async_graphql::{OutputType, SimpleObject, TypeName};
use schema::{Code, Cursor, Error, Result, Tx};
use schemars::JsonSchema;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, Order, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait, SimpleExpr},
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct PageInfo {
    pub has_next_page: bool,
    pub has_previous_page: bool,
    pub start_cursor: Option<String>,
    pub end_cursor: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase")]
#[graphql(name_type)]
#[schemars(rename = "{T}Edge")]
pub struct Edge<T: OutputType> {
    pub cursor: String,
    pub node: T,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase")]
#[graphql(name_type)]
#[schemars(rename = "{T}Connection")]
pub struct Connection<T: OutputType> {
    pub edges: Vec<Edge<T>>,
    pub page_info: PageInfo,
    /// Exact. Counted only when asked for.
    pub total_count: Option<i64>,
}

impl<T: OutputType> TypeName for Edge<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", T::type_name()).into()
    }
}

impl<T: OutputType> TypeName for Connection<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", T::type_name()).into()
    }
}

/// Which page. `first` with `after`, or `last` with `before`.
#[derive(Debug, Clone, Default)]
pub struct Page {
    pub first: Option<i32>,
    pub after: Option<String>,
    pub last: Option<i32>,
    pub before: Option<String>,
    pub with_total: bool,
}

/// A sort column whose comparisons an index can serve under row security.
pub struct Sort<C, M> {
    pub name: &'static str,
    pub column: C,
    pub descending: bool,
    /// The sort key of a row, as the cursor keeps it.
    pub key: fn(&M) -> String,
    /// The same, bound again.
    pub bind: fn(&str) -> Option<SimpleExpr>,
}

impl<C: Copy, M> Clone for Sort<C, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: Copy, M> Copy for Sort<C, M> {}

/// Declares in which orders a kind is listed, and what each sorts by.
macro_rules! orders {
    ($(#[$about:meta])* $name:ident of $kind:literal {
        $($asc:ident = $asc_text:literal, $desc:ident = $desc_text:literal: $column:ident, $key:expr, $bind:path;)*
    }) => {
        schema::text_enum!(
            $(#[$about])*
            $name { $($asc = $asc_text, $desc = $desc_text,)* }
        );

        impl $name {
            pub(crate) fn sort(self) -> $crate::page::Sort<Column, Model> {
                match self {
                    $(
                        $name::$asc => $crate::page::Sort {
                            name: concat!($kind, ":", $asc_text), column: Column::$column, descending: false, key: $key, bind: $bind,
                        },
                        $name::$desc => $crate::page::Sort {
                            name: concat!($kind, ":", $desc_text), column: Column::$column, descending: true, key: $key, bind: $bind,
                        },
                    )*
                }
            }
        }
    };
}
pub(crate) use orders;

const DEFAULT_SIZE: u64 = 20;

pub async fn page<E, C, T>(
    tx: &Tx,
    select: Select<E>,
    id: C,
    sort: Sort<C, E::Model>,
    page: Page,
    id_of: fn(&E::Model) -> Uuid,
) -> Result<Connection<T>>
where
    E: EntityTrait,
    E::Model: Cells + Send + Sync,
    C: ColumnTrait,
    T: From<E::Model> + OutputType,
{
    let backwards = match (page.first, page.last) {
        (Some(_), Some(_)) => return Err(invalid("last", "EXCLUSIVE", "give first or last, not both")),
        (None, Some(_)) => true,
        // Before a cursor, and no size: the ones next to it.
        (None, None) => page.before.is_some() && page.after.is_none(),
        _ => false,
    };
    let asked = page.first.or(page.last);
    let Some(size) = size(asked) else {
        let small = asked.is_some_and(|asked| asked < 1);
        let (code, message) = if small { ("TOO_SMALL", "must be at least 1") } else { ("TOO_LARGE", "must be at most 100") };
        return Err(invalid(if backwards { "last" } else { "first" }, code, message));
    };
    let total_count = match page.with_total {
        true => Some(i64::try_from(select.clone().count(tx).await?).unwrap_or(i64::MAX)),
        false => None,
    };

    let mut rows = select;
    let (after, before) = (page.after.is_some(), page.before.is_some());
    for (text, field, beyond) in [(page.after, "after", !sort.descending), (page.before, "before", sort.descending)] {
        let Some(text) = text else { continue };
        let cursor = Cursor::decode(&text, sort.name, field)?;
        let key = (sort.bind)(&cursor.key).ok_or_else(|| invalid(field, "INVALID_CURSOR", Code::InvalidCursor.message()))?;
        // A row comparison, so that one index range serves it.
        let at = Expr::tuple([key, Expr::val(cursor.id)]);
        let row = Expr::tuple([Expr::col(sort.column.as_column_ref()), Expr::col(id.as_column_ref())]);
        rows = rows.filter(Condition::all().add(if beyond { row.gt(at) } else { row.lt(at) }));
    }
    let order = if sort.descending != backwards { Order::Desc } else { Order::Asc };
    let rows = rows.order_by(sort.column, order.clone()).order_by(id, order).limit(size + 1);
    let mut rows = cells::all(tx, rows).await?;
    let more = rows.len() as u64 > size;
    rows.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    if backwards {
        rows.reverse();
    }
    let (next, previous) = if backwards { (before, more) } else { (more, after) };
    Ok(connection(rows, sort, id_of, next, previous, total_count))
}

fn connection<C, M, T: From<M> + OutputType>(
    rows: Vec<M>,
    sort: Sort<C, M>,
    id_of: fn(&M) -> Uuid,
    has_next_page: bool,
    has_previous_page: bool,
    total_count: Option<i64>,
) -> Connection<T> {
    let edges: Vec<Edge<T>> = rows
        .into_iter()
        .map(|row| {
            let cursor = Cursor { order: sort.name.to_owned(), key: (sort.key)(&row), id: id_of(&row) }.encode();
            Edge { cursor, node: T::from(row) }
        })
        .collect();
    let start_cursor = edges.first().map(|edge| edge.cursor.clone());
    let end_cursor = edges.last().map(|edge| edge.cursor.clone());
    Connection { edges, page_info: PageInfo { has_next_page, has_previous_page, start_cursor, end_cursor }, total_count }
}

/// How many a page has. None: not so many.
pub(crate) fn size(asked: Option<i32>) -> Option<u64> {
    match asked {
        None => Some(DEFAULT_SIZE),
        Some(n @ 1..=100) => Some(n.unsigned_abs().into()),
        Some(_) => None,
    }
}

/// A first page of rows that were loaded, one more than it has.
pub(crate) fn first<C, M, T: From<M> + OutputType>(
    mut rows: Vec<M>,
    size: u64,
    sort: Sort<C, M>,
    id_of: fn(&M) -> Uuid,
) -> Connection<T> {
    let more = rows.len() as u64 > size;
    rows.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    connection(rows, sort, id_of, more, false, None)
}

fn invalid(field: &str, code: &str, message: &str) -> Error {
    let kind = if code == "INVALID_CURSOR" { Code::InvalidCursor } else { Code::InvalidInput };
    Error::new(kind).field(field, code, message)
}

/// Enum values as the texts that are stored: a list of them is one parameter.
pub fn texts<T>(all: Vec<T>, text: fn(T) -> &'static str) -> Vec<String> {
    all.into_iter().map(|one| text(one).to_owned()).collect()
}

/// Binds a cursor's key that is text.
pub fn bind_text(key: &str) -> Option<SimpleExpr> {
    Some(Expr::val(key))
}

/// Binds a cursor's key that is a whole number.
pub fn bind_int(key: &str) -> Option<SimpleExpr> {
    Some(Expr::val(key.parse::<i32>().ok()?))
}

/// Binds a cursor's key that is a long number.
pub fn bind_long(key: &str) -> Option<SimpleExpr> {
    Some(Expr::val(key.parse::<i64>().ok()?))
}

/// Binds a cursor's key that is a time.
pub fn bind_time(key: &str) -> Option<SimpleExpr> {
    let time = chrono::DateTime::parse_from_rfc3339(key).ok()?.with_timezone(&chrono::Utc);
    Some(Expr::val(time))
}

/// Binds a cursor's key that is a day.
pub fn bind_date(key: &str) -> Option<SimpleExpr> {
    Some(Expr::val(schema::Date::parse(key)?.0))
}

/// Binds a cursor's key that is an id.
pub fn bind_id(key: &str) -> Option<SimpleExpr> {
    Some(Expr::val(key.parse::<Uuid>().ok()?))
}

pub fn time_key(time: chrono::DateTime<chrono::Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}
