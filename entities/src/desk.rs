//! The directory of desks: those that want to be found, with what they do and where.

use crate::{organization_card::resource, prelude::*};
use async_graphql::SimpleObject;
use kind::{ColumnInfo, Connection, Filter as _, Page, page};
use schema::{Reading, Result, Tx};
use schemars::JsonSchema;
use sea_orm::{Condition, ConnectionTrait, DbBackend, Statement};
use serde::{Deserialize, Serialize};

pub const KIND: &str = "desk";
pub static RESOURCE: queryplan::Resource = resource(KIND);
pub static INFO: KindInfo = KindInfo::looked_up(KIND, &RESOURCE, &[ColumnInfo::of::<DeskRelation>("relation", "relation")]);

text_enum!(
    /// What a desk is to whoever looks for one.
    DeskRelation {
        /// It stands in the directory.
        Listed = "LISTED",
    }
);

/// A desk's entry in the directory.
#[row(table = "app.desk", finder = false)]
pub struct Model {
    #[key]
    pub id: OrganizationId,
    pub handle: String,
    pub name: String,
    pub about: Option<String>,
    pub area: Option<String>,
}

/// A concierge's desk that wants to be found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct Desk {
    /// The id of its organization.
    pub id: OrganizationId,
    /// The public name by which it is let in.
    pub handle: String,
    pub name: String,
    /// The services of the desk, in its own words.
    pub about: Option<String>,
    /// The area that the desk serves.
    pub area: Option<String>,
}

impl From<Model> for Desk {
    fn from(Model { id, handle, name, about, area }: Model) -> Self {
        Desk { id, handle, name, about, area }
    }
}

/// Which desks.
#[filter]
pub struct DeskFilter {
    /// Words, each of which occurs in `name`, `handle`, `area` or `about`.
    #[search]
    #[text(200)]
    pub search: Option<String>,
}

/// A page of the directory, by name.
#[expect(clippy::disallowed_methods, reason = "the directory is everyone's")]
pub async fn list(reading: &dyn Reading, filter: Option<DeskFilter>, page: Page) -> Result<Connection<Desk>> {
    let which = Condition::all().add(filter.unwrap_or_default().condition()).add(reading.filter(KIND)?);
    let sort = page::Sort { list: KIND, order: "NAME_ASC", column: Column::Name, descending: false };
    page::page(reading.tx().await?, Entity::find(), which, Column::Id, sort, page, |row: &Model| row.id.0).await
}

/// The organization of the desk with this handle.
pub async fn by_handle(tx: &Tx, handle: &str) -> Result<Option<OrganizationId>> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, "SELECT app.desk_by_handle($1) AS id", [handle.into()]);
    let Some(row) = tx.query_one_raw(statement).await? else { return Ok(None) };
    Ok(row.try_get("", "id")?)
}
