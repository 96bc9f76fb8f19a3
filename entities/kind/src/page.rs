//! Keyset pages: stable while rows are inserted, exact in both directions.

use crate::{ColumnOf, Filter, Kind, Table, row};
use async_graphql::{ComplexObject, OutputType, SimpleObject, TypeName};
use schema::{Code, Cursor, Error, Ordering, OrganizationId, Reading, Result, Tx};
use schemars::JsonSchema;
use sea_orm::{
    ColumnTrait, Condition, EntityName, IdenStatic, Order as Direction, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    Select,
    sea_query::{Expr, ExprTrait, Query, SimpleExpr},
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
    pub cursor: Cursor,
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

impl Page {
    /// The page that a field's arguments choose, counted if its total is selected.
    pub fn of_field(
        cx: &async_graphql::Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Page {
        Page { first, after, last, before, with_total: cx.look_ahead().field("totalCount").exists() }
    }

    /// The number of rows, and whether they are the last ones.
    fn size(&self) -> Result<(u64, bool)> {
        let backwards = match (self.first, self.last) {
            (Some(_), Some(_)) => return Err(invalid("last", "EXCLUSIVE", "give last or first, not both")),
            (None, Some(_)) => true,
            // With `before` and no size, the page holds the rows next to the cursor.
            (None, None) => self.before.is_some() && self.after.is_none(),
            _ => false,
        };
        let asked = self.first.or(self.last);
        let Some(size) = size(asked) else {
            let small = asked.is_some_and(|asked| asked < 0);
            let (code, message) = if small { ("TOO_SMALL", "must be at least 0") } else { ("TOO_LARGE", "must be at most 100") };
            return Err(invalid(if backwards { "last" } else { "first" }, code, message));
        };
        Ok((size, backwards))
    }
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
    fn ordering(&self) -> Ordering {
        Ordering::of(&format!("{}:{}", self.list, self.order))
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

/// The organization's row with this id, if the reader may see it; else NOT_FOUND.
pub async fn one<K: Kind>(reading: &dyn Reading, organization: OrganizationId, id: K::Id) -> Result<K::Object> {
    let select = K::by_id(organization, id).filter(reading.filter(K::KIND)?);
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
    let which = Condition::all().add(reading.filter(K::KIND)?).add(filter.unwrap_or_default().condition());
    self::page(reading.tx().await?, select, which, K::ID, order.unwrap_or(K::ELSE).sort(), page, K::id).await
}

/// The rows of a page where no number is asked for.
pub const DEFAULT: u64 = 20;
/// The most rows of a page.
pub const MOST: u64 = 100;

/// A page of the rows of a selection that meet a condition, in an order that its id makes total.
pub async fn page<R, T>(
    tx: &Tx,
    select: Select<R::Entity>,
    which: Condition,
    id: ColumnOf<R>,
    sort: Sort<ColumnOf<R>>,
    page: Page,
    id_of: fn(&R) -> Uuid,
) -> Result<Connection<T>>
where
    R: Table,
    T: From<R> + OutputType,
{
    Ok(rows(tx, select, which, id, sort, page, id_of).await?.connection(|row| Some(row.into())))
}

/// The rows of a page, each with its cursor.
pub struct Rows<R> {
    rows: Vec<(Cursor, R)>,
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
        let ordering = sort.ordering();
        let cursor = |row: &R| Cursor { ordering, id: id_of(row), mark: row.mark(sort.column) };
        let rows: Vec<(Cursor, R)> = rows.into_iter().map(|row| (cursor(&row), row)).collect();
        let start_cursor = rows.first().map(|(cursor, _)| cursor.encode());
        let end_cursor = rows.last().map(|(cursor, _)| cursor.encode());
        Rows { rows, page_info: PageInfo { has_next_page, has_previous_page, start_cursor, end_cursor }, total_count }
    }
}

/// The rows of a page of a selection, of those that meet a condition, in an order that its id makes total. A cursor may stand at any
/// row of the selection, whatever the condition says of it by now.
pub async fn rows<R: Table>(
    tx: &Tx,
    select: Select<R::Entity>,
    which: Condition,
    id: ColumnOf<R>,
    sort: Sort<ColumnOf<R>>,
    page: Page,
    id_of: fn(&R) -> Uuid,
) -> Result<Rows<R>> {
    let (size, backwards) = page.size()?;
    let total_count = match page.with_total {
        true => Some(i64::try_from(select.clone().filter(which.clone()).count(tx).await?).unwrap_or(i64::MAX)),
        false => None,
    };

    let order = if sort.descending != backwards { Direction::Desc } else { Direction::Asc };
    let mut query = select.clone().filter(which).order_by(sort.column, order.clone()).order_by(id, order);
    let (after, before) = (page.after.is_some(), page.before.is_some());
    let mut places = Vec::new();
    for (text, field, beyond) in [(page.after, "after", !sort.descending), (page.before, "before", sort.descending)] {
        let Some(text) = text else { continue };
        places.push(Place { cursor: Cursor::decode(&text, sort.ordering(), field)?, field, beyond });
    }

    // Mostly the cursor stands at a row of the list: one statement finds that row's key, and all from that row on.
    let mut found = None;
    if let [place] = places.as_slice()
        && before == backwards
        && R::marked(sort.column, place.cursor.mark).is_none()
        && sort.column.as_str() != id.as_str()
    {
        let table = R::Entity::default().table_ref();
        let key = Query::select().column(sort.column).from(table).and_where(id.eq(place.cursor.id)).limit(1).take();
        let key = SimpleExpr::SubQuery(None, Box::new(key.into()));
        query = query.filter(place.rows(key, sort.column, id, true)).limit(size + 2);
        let mut rows = row::all_of::<R>(tx, &query).await?.into_iter();
        let here = |row: &R| id_of(row) == place.cursor.id && row.mark(sort.column) == place.cursor.mark;
        found = rows.next().filter(here).map(|_| rows.collect());
    }
    let mut rows: Vec<R> = match found {
        Some(rows) => rows,
        None => {
            for place in &places {
                let key = match R::marked(sort.column, place.cursor.mark) {
                    Some(key) => key,
                    None if sort.column.as_str() == id.as_str() => Expr::val(place.cursor.id),
                    None => key_of::<R>(tx, select.clone().filter(id.eq(place.cursor.id)), sort.column, place).await?,
                };
                query = query.filter(place.rows(key, sort.column, id, false));
            }
            row::all::<R>(tx, query.limit(size + 1)).await?
        }
    };
    let more = rows.len() as u64 > size;
    rows.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    if backwards {
        rows.reverse();
    }
    let more = if backwards { (before, more) } else { (more, after) };
    Ok(Rows::new(rows, sort, id_of, more, total_count))
}

/// A cursor that a page goes on from.
struct Place {
    cursor: Cursor,
    /// The argument that named it.
    field: &'static str,
    /// Whether the page's rows have greater keys.
    beyond: bool,
}

impl Place {
    /// The rows on the page's side of the place, with its own row or without it. A row comparison, so that one index range serves it.
    fn rows<C: ColumnTrait>(&self, key: SimpleExpr, column: C, id: C, with: bool) -> SimpleExpr {
        let at = Expr::tuple([key, Expr::val(self.cursor.id)]);
        let row = Expr::tuple([Expr::col(column.as_column_ref()), Expr::col(id.as_column_ref())]);
        match (self.beyond, with) {
            (true, true) => row.gte(at),
            (true, false) => row.gt(at),
            (false, true) => row.lte(at),
            (false, false) => row.lt(at),
        }
    }
}

/// The sort key of the row at which a cursor stands. A row that has another place by now, or is out of sight, is no place to go on
/// from: rows would be left out in silence.
async fn key_of<R: Table>(tx: &Tx, select: Select<R::Entity>, column: ColumnOf<R>, place: &Place) -> Result<SimpleExpr> {
    let rows = row::all::<R>(tx, select.limit(1)).await?;
    let row = rows.first().filter(|row| row.mark(column) == place.cursor.mark);
    row.and_then(|row| row.value(column)).ok_or_else(|| Cursor::invalid(place.field))
}

/// A page of things that are all there, in their order.
pub fn of_all<T: OutputType>(all: Vec<T>, list: &str, page: &Page, id_of: fn(&T) -> Uuid) -> Result<Connection<T>> {
    of_all_in(all, list, page, id_of, false)
}

/// The same of a list whose newest comes first, so that a cursor is a place there even when its own row is gone.
pub fn of_newest<T: OutputType>(all: Vec<T>, list: &str, page: &Page, id_of: fn(&T) -> Uuid) -> Result<Connection<T>> {
    of_all_in(all, list, page, id_of, true)
}

fn of_all_in<T: OutputType>(
    all: Vec<T>,
    list: &str,
    page: &Page,
    id_of: fn(&T) -> Uuid,
    newest_first: bool,
) -> Result<Connection<T>> {
    let (size, backwards) = page.size()?;
    let total_count = page.with_total.then(|| i64::try_from(all.len()).unwrap_or(i64::MAX));
    let ordering = Ordering::of(list);
    let place = |text: &Option<String>, field: &str, behind: usize| -> Result<Option<usize>> {
        let Some(text) = text else { return Ok(None) };
        let cursor = Cursor::decode(text, ordering, field)?;
        match all.iter().position(|one| id_of(one) == cursor.id) {
            Some(at) => Ok(Some(at + behind)),
            None if newest_first => Ok(Some(all.iter().filter(|one| id_of(one) > cursor.id).count())),
            None => Err(Cursor::invalid(field)),
        }
    };
    let begin = place(&page.after, "after", 1)?.unwrap_or(0);
    let end = place(&page.before, "before", 0)?.unwrap_or(all.len()).max(begin);
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let (from, to) = match backwards {
        true => (end.saturating_sub(size).max(begin), end),
        false => (begin, begin.saturating_add(size).min(end)),
    };
    let (has_previous_page, has_next_page) = (from > 0, to < all.len());
    let edges = all.into_iter().skip(from).take(to - from);
    let edges: Vec<Edge<T>> = edges.map(|node| Edge { cursor: Cursor { ordering, id: id_of(&node), mark: 0 }, node }).collect();
    let start_cursor = edges.first().map(|edge| edge.cursor.encode());
    let end_cursor = edges.last().map(|edge| edge.cursor.encode());
    Ok(Connection { edges, page_info: PageInfo { has_next_page, has_previous_page, start_cursor, end_cursor }, total_count })
}

/// The number of rows of a page. None: the number asked for is out of range.
pub fn size(asked: Option<i32>) -> Option<u64> {
    match asked {
        None => Some(DEFAULT),
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
    Error::new(Code::INVALID_INPUT).field(field, code, message)
}
