//! Keyset pages: stable while rows are inserted, exact in both directions.

use crate::{ColumnOf, Filter, Kind, Table, row};
use async_graphql::{ComplexObject, OutputType, SimpleObject, TypeName};
use schema::{Code, Cursor, Error, OrganizationId, Reading, Result, Tx};
use schemars::JsonSchema;
use sea_orm::{
    ColumnTrait, Condition, Order as Direction, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait},
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
#[graphql(name_type, complex)]
#[schemars(rename = "{T}Connection")]
pub struct Connection<T: OutputType> {
    pub edges: Vec<Edge<T>>,
    pub page_info: PageInfo,
    /// Exact. Counted only when asked for.
    pub total_count: Option<i64>,
}

#[ComplexObject]
impl<T: OutputType> Connection<T> {
    /// The nodes of the edges, where no cursor of each is needed.
    async fn nodes(&self) -> Vec<&T> {
        self.edges.iter().map(|edge| &edge.node).collect()
    }
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

/// The choice of a page: `first` with `after`, or `last` with `before`.
#[derive(Debug, Clone, Default)]
pub struct Page {
    pub first: Option<i32>,
    pub after: Option<String>,
    pub last: Option<i32>,
    pub before: Option<String>,
    pub with_total: bool,
}

/// A sort column whose comparisons an index can serve under row security.
#[derive(Debug, Clone, Copy)]
pub struct Sort<C> {
    /// The list that cursors of it belong to, such as `property`.
    pub list: &'static str,
    /// The order, such as `CREATED_ASC`.
    pub order: &'static str,
    pub column: C,
    pub descending: bool,
}

impl<C> Sort<C> {
    fn name(&self) -> String {
        format!("{}:{}", self.list, self.order)
    }
}

/// The orders of a kind's list.
pub trait Order: Copy + Send {
    type Column;
    fn sort(self) -> Sort<Self::Column>;
}

/// A kind with a list, a filter of its rows, and their orders.
pub trait Listed: Kind {
    type Filter: Filter;
    type Order: Order<Column = ColumnOf<Self>>;
    /// The order where none is asked for.
    const ELSE: Self::Order;
    /// All of an organization's rows.
    fn of(organization: OrganizationId) -> Select<Self::Entity>;
}

/// Declares the orders in which a kind is listed, and the column that each sorts by. Ties are broken by id, so that every order
/// is total.
#[macro_export]
macro_rules! orders {
    ($name:ident of $filter:ident, else $else:ident {
        $($asc:ident = $asc_text:literal, $desc:ident = $desc_text:literal: $column:ident;)*
    }) => {
        ::schema::text_enum!(
            /// In which order. Ties are broken by id, so that every order is total.
            $name { $($asc = $asc_text, $desc = $desc_text,)* }
        );

        impl $crate::page::Order for $name {
            type Column = Column;
            fn sort(self) -> $crate::page::Sort<Column> {
                let (column, descending) = match self {
                    $($name::$asc => (Column::$column, false), $name::$desc => (Column::$column, true),)*
                };
                $crate::page::Sort { list: KIND, order: self.as_str(), column, descending }
            }
        }

        impl $crate::Listed for Model {
            type Filter = $filter;
            type Order = $name;
            const ELSE: $name = $name::$else;
            fn of(organization: ::schema::OrganizationId) -> ::sea_orm::Select<Entity> {
                of(organization)
            }
        }
    };
}

/// The row with this id in the organization that the reader asks about, if the reader may see it; else NOT_FOUND.
pub async fn one<K: Kind>(reading: &dyn Reading, id: K::Id) -> Result<K::Object> {
    let select = K::by_id(K::whose(reading.actor()), id).filter(reading.filter(K::KIND)?);
    let row = select.one(reading.tx().await?).await?.ok_or_else(|| Error::new(Code::NOT_FOUND))?;
    Ok(row.into())
}

/// A page of an organization's rows, of those that the reader may see.
pub async fn list<K: Listed>(
    reading: &dyn Reading,
    organization: OrganizationId,
    filter: Option<K::Filter>,
    order: Option<K::Order>,
    page: Page,
) -> Result<Connection<K::Object>> {
    list_of::<K>(reading, K::of(organization), filter, order, page).await
}

/// A page of those rows of a selection that the reader may see.
pub async fn list_of<K: Listed>(
    reading: &dyn Reading,
    select: Select<K::Entity>,
    filter: Option<K::Filter>,
    order: Option<K::Order>,
    page: Page,
) -> Result<Connection<K::Object>> {
    let select = select.filter(reading.filter(K::KIND)?).filter(filter.unwrap_or_default().condition());
    self::page(reading.tx().await?, select, K::ID, order.unwrap_or(K::ELSE).sort(), page, K::id).await
}

const DEFAULT_SIZE: u64 = 20;

/// A page of a selection, in an order that its id makes total.
pub async fn page<R, T>(
    tx: &Tx,
    select: Select<R::Entity>,
    id: ColumnOf<R>,
    sort: Sort<ColumnOf<R>>,
    page: Page,
    id_of: fn(&R) -> Uuid,
) -> Result<Connection<T>>
where
    R: Table,
    T: From<R> + OutputType,
{
    Ok(rows(tx, select, id, sort, page, id_of).await?.connection(|row| Some(row.into())))
}

/// The rows of a page, each with its cursor.
pub struct Rows<R> {
    rows: Vec<(String, R)>,
    page_info: PageInfo,
    total_count: Option<i64>,
}

impl<R> Rows<R> {
    pub fn iter(&self) -> impl Iterator<Item = &R> {
        self.rows.iter().map(|(_, row)| row)
    }

    /// The page with a node in the place of each row. None: the row is left out.
    pub fn connection<T: OutputType>(self, mut shown: impl FnMut(R) -> Option<T>) -> Connection<T> {
        let Rows { rows, page_info, total_count } = self;
        let edges = rows.into_iter().filter_map(|(cursor, row)| Some(Edge { cursor, node: shown(row)? }));
        Connection { edges: edges.collect(), page_info, total_count }
    }
}

impl<R: Table> Rows<R> {
    fn new(
        rows: Vec<R>,
        sort: Sort<ColumnOf<R>>,
        id_of: fn(&R) -> Uuid,
        (has_next_page, has_previous_page): (bool, bool),
        total_count: Option<i64>,
    ) -> Self {
        let name = sort.name();
        let cursor = |row: &R| Cursor { order: name.clone(), key: row.key(sort.column), id: id_of(row) }.encode();
        let rows: Vec<(String, R)> = rows.into_iter().map(|row| (cursor(&row), row)).collect();
        let start_cursor = rows.first().map(|(cursor, _)| cursor.clone());
        let end_cursor = rows.last().map(|(cursor, _)| cursor.clone());
        Rows { rows, page_info: PageInfo { has_next_page, has_previous_page, start_cursor, end_cursor }, total_count }
    }
}

/// The rows of a page of a selection, in an order that its id makes total.
pub async fn rows<R: Table>(
    tx: &Tx,
    select: Select<R::Entity>,
    id: ColumnOf<R>,
    sort: Sort<ColumnOf<R>>,
    page: Page,
    id_of: fn(&R) -> Uuid,
) -> Result<Rows<R>> {
    let backwards = match (page.first, page.last) {
        (Some(_), Some(_)) => return Err(invalid("last", "EXCLUSIVE", "give first or last, not both")),
        (None, Some(_)) => true,
        // With `before` and no size, the page holds the rows next to the cursor.
        (None, None) => page.before.is_some() && page.after.is_none(),
        _ => false,
    };
    let asked = page.first.or(page.last);
    let Some(size) = size(asked) else {
        let small = asked.is_some_and(|asked| asked < 0);
        let (code, message) = if small { ("TOO_SMALL", "must be at least 0") } else { ("TOO_LARGE", "must be at most 100") };
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
        let cursor = Cursor::decode(&text, &sort.name(), field)?;
        let key =
            R::bind(sort.column, &cursor.key).ok_or_else(|| invalid(field, "INVALID_CURSOR", Code::INVALID_CURSOR.message()))?;
        // A row comparison, so that one index range serves it.
        let at = Expr::tuple([key, Expr::val(cursor.id)]);
        let row = Expr::tuple([Expr::col(sort.column.as_column_ref()), Expr::col(id.as_column_ref())]);
        rows = rows.filter(Condition::all().add(if beyond { row.gt(at) } else { row.lt(at) }));
    }
    let order = if sort.descending != backwards { Direction::Desc } else { Direction::Asc };
    let rows = rows.order_by(sort.column, order.clone()).order_by(id, order).limit(size + 1);
    let mut rows = row::all::<R>(tx, rows).await?;
    let more = rows.len() as u64 > size;
    rows.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    if backwards {
        rows.reverse();
    }
    let more = if backwards { (before, more) } else { (more, after) };
    Ok(Rows::new(rows, sort, id_of, more, total_count))
}

/// The number of rows of a page. None: the number asked for is out of range.
pub fn size(asked: Option<i32>) -> Option<u64> {
    match asked {
        None => Some(DEFAULT_SIZE),
        Some(n @ 0..=100) => Some(n.unsigned_abs().into()),
        Some(_) => None,
    }
}

/// The first page of rows that were loaded. A row beyond `size` tells that there is a next page.
pub fn first<R: Table, T: From<R> + OutputType>(
    mut rows: Vec<R>,
    size: u64,
    sort: Sort<ColumnOf<R>>,
    id_of: fn(&R) -> Uuid,
) -> Connection<T> {
    let more = rows.len() as u64 > size;
    rows.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    Rows::new(rows, sort, id_of, (more, false), None).connection(|row| Some(row.into()))
}

fn invalid(field: &str, code: &str, message: &str) -> Error {
    let kind = if code == "INVALID_CURSOR" { Code::INVALID_CURSOR } else { Code::INVALID_INPUT };
    Error::new(kind).field(field, code, message)
}
