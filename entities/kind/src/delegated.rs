//! What delegations say of a row: the views that tell which of them count now, as policies see them.

use queryplan::{Attribute, Elements, Link, Of, Record, Scalar};
use schema::{OrganizationId, PrincipalId, Result};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

static PROPERTY: Record = Record { table: "delegated_property", fields: FIELDS };
static PORTFOLIO: Record = Record { table: "delegated_portfolio", fields: FIELDS };
const FIELDS: &[Attribute] =
    &[Attribute::value("holder", Scalar::uuid("holder_id")), Attribute::value("action", Scalar::text("action"))];

const fn on(to: &'static Record, columns: &'static [(&'static str, &'static str)]) -> Link {
    Link { through: &[], to, on: columns }
}

/// From a property.
pub static OF_PROPERTY: Link = on(&PROPERTY, &[("organization_id", "organization_id"), ("id", "property_id")]);
/// From a row that hangs on a property.
pub static BESIDE_PROPERTY: Link = on(&PROPERTY, &[("organization_id", "organization_id"), ("property_id", "property_id")]);
/// From an event about a property.
pub static OF_EVENT: Link = on(&PROPERTY, &[("organization_id", "organization_id"), ("resource_id", "property_id")]);
/// From a portfolio.
pub static OF_PORTFOLIO: Link = on(&PORTFOLIO, &[("organization_id", "organization_id"), ("id", "portfolio_id")]);

/// The attribute `delegations` of a row.
pub const fn attribute(link: &'static Link) -> Attribute {
    Attribute { name: "delegations", of: Of::Many { link, elements: Elements::Records, order: None } }
}

/// The thing that a delegation must cover to count for a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delegable {
    Property(Uuid),
    Portfolio(Uuid),
}

/// One action that one principal was delegated over a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegated {
    holder: PrincipalId,
    pub action: String,
    pub delegation: Uuid,
}

impl Delegated {
    pub fn attribute(&self) -> Value {
        json!({ "holder": self.holder, "action": self.action })
    }
}

/// The actions that a principal was delegated over this, as far as they count now.
pub async fn over(
    db: &impl ConnectionTrait,
    organization: OrganizationId,
    what: Delegable,
    holder: PrincipalId,
) -> Result<Vec<Delegated>> {
    let (view, column, id) = match what {
        Delegable::Property(id) => ("delegated_property", "property_id", id),
        Delegable::Portfolio(id) => ("delegated_portfolio", "portfolio_id", id),
    };
    let sql = format!(
        "SELECT DISTINCT ON (action) action, delegation_id FROM {view} WHERE organization_id = $1 AND {column} = $2 AND holder_id = $3 ORDER BY 1, 2"
    );
    let values = [organization.0.into(), id.into(), holder.0.into()];
    let rows = db.query_all_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    rows.iter()
        .map(|row| Ok(Delegated { holder, action: row.try_get("", "action")?, delegation: row.try_get("", "delegation_id")? }))
        .collect()
}

/// The delegation by which someone does this, where they do it by one.
pub fn permitting(all: &[Delegated], verb: &str) -> Option<Uuid> {
    let needed = match verb {
        "update" => "UPDATE",
        "archive" | "restore" => "ARCHIVE",
        "record" | "correct" => "RECORD_FINANCES",
        _ => "READ",
    };
    all.iter().find(|one| one.action == needed).map(|one| one.delegation)
}
