//! Lists over many owners. An organization that many let in reads one ordered list from a projection, which the database
//! itself keeps. The rows are then read from their own table, under their own rights.

use crate::{
    ColumnOf, Connection, Filter, Key, Kind, Listed, Page, Table,
    page::{self, Order, Sort},
    relation::by_id,
};
use chrono::{DateTime, Utc};
use schema::{Error, OrganizationId, Reading, Result};
use sea_orm::{Condition, IdenStatic, Iterable, Select};
use std::collections::BTreeSet;

/// The rows of another kind, projected for an organization that their owners let in.
pub trait Projected: Table {
    type Source: Listed;
    type Filter: Filter;
    /// The name for policies, and of its list in cursors.
    const KIND: &'static str;
    /// The column that is the source's id. All others have the source's names.
    const ID: ColumnOf<Self>;

    /// The organization's rows, of owners whose grant counts now.
    fn of(organization: OrganizationId, now: DateTime<Utc>) -> Select<Self::Entity>;

    /// The place of the source's row.
    fn place(&self) -> Key;
}

/// The sort of a projection for an order of its source, by the column of the same name.
pub fn sort<P: Projected>(order: Option<<P::Source as Listed>::Order>) -> Result<Sort<ColumnOf<P>>> {
    let Sort { order, column, descending, .. } = order.unwrap_or(P::Source::ELSE).sort();
    let (name, id) = (column.as_str(), P::Source::ID.as_str());
    let column = if name == id { Some(P::ID) } else { ColumnOf::<P>::iter().find(|column| column.as_str() == name) };
    let column = column.ok_or_else(|| Error::internal(format!("{} has no column {name} to sort {order} by", P::TABLE)))?;
    Ok(Sort { list: P::KIND, order, column, descending })
}

/// A page of the rows of all owners who let the acting organization in. Two statements, however many owners there are.
pub async fn list<P: Projected>(
    reading: &dyn Reading,
    filter: Option<P::Filter>,
    order: Option<<P::Source as Listed>::Order>,
    page: Page,
) -> Result<Connection<<P::Source as Kind>::Object>> {
    let which = Condition::all().add(reading.filter(P::KIND)?).add(filter.unwrap_or_default().condition());
    let select = P::of(reading.acting(), reading.now());
    let rows = page::rows(reading.tx().await?, select, which, P::ID, sort::<P>(order)?, page, |row: &P| row.place().1).await?;
    let places: Vec<Key> = rows.iter().map(P::place).collect();
    let owners: BTreeSet<OrganizationId> = places.iter().map(|(owner, _)| *owner).collect();
    reading.reach(&Vec::from_iter(owners)).await?;
    let mut found = by_id::<P::Source>(reading, &places).await?;
    // A row that its own rights hide is left out.
    Ok(rows.connection(|row| found.remove(&row.place())))
}
