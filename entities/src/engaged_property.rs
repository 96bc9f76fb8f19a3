//! The list of a concierge: the properties of all who engaged it, in one order. The database itself writes this projection;
//! the rows are read from the properties, under their own rights.

use crate::{
    access_grant,
    prelude::*,
    property::{self, PropertyId, PropertyKind, PropertyStatus},
};
use chrono::{DateTime, Utc};
use kind::{Key, Projected};
use queryplan::{Attribute, Scalar};
use sea_orm::sea_query::SimpleExpr;

pub const KIND: &str = "engaged_property";
pub static RESOURCE: queryplan::Resource = queryplan::Resource {
    table: "engaged_property",
    id: Scalar::uuid("property_id"),
    attributes: &[kind::relation("owner_organization_id"), Attribute::text("kind", "kind"), Attribute::text("status", "status")],
};
pub static INFO: KindInfo = KindInfo::listed::<Model>(KIND, &RESOURCE);

/// A property, as the organization sees it that was engaged.
#[row(table = "engaged_property", finder = false)]
pub struct Model {
    #[key]
    pub organization_id: OrganizationId,
    #[key]
    pub property_id: PropertyId,
    #[key]
    pub owner_organization_id: OrganizationId,
    pub kind: PropertyKind,
    pub status: PropertyStatus,
    pub line1: String,
    pub locality: String,
    pub region: Option<String>,
    pub country: String,
    pub updated_at: Time,
}

impl Projected for Model {
    type Source = property::Model;
    type Filter = EngagedPropertyFilter;
    const KIND: &'static str = KIND;
    const ID: Column = Column::PropertyId;

    #[expect(clippy::disallowed_methods, reason = "the finder that begins with the organization")]
    fn of(organization: OrganizationId, now: DateTime<Utc>) -> Select<Entity> {
        let owner = (Entity, Column::OwnerOrganizationId);
        Entity::find().filter(Column::OrganizationId.eq(organization)).filter(access_grant::lets_in(owner, organization, now))
    }

    fn place(&self) -> Key {
        (self.owner_organization_id, self.property_id.0)
    }
}

/// Which of them.
#[filter]
pub struct EngagedPropertyFilter {
    /// Words, each of which occurs in the address, the parcel number or the notes.
    #[search]
    #[text(100)]
    pub search: Option<String>,
    /// Of any of these.
    #[by(of_owners)]
    #[count(0, 100)]
    pub organization_ids: Option<Vec<OrganizationId>>,
    /// Any of these.
    #[any(Kind)]
    pub kind: Option<Vec<PropertyKind>>,
    #[shelf(Status)]
    pub status: Option<Vec<PropertyStatus>>,
    #[is(Region)]
    #[text(100)]
    pub region: Option<String>,
    #[is(Locality)]
    #[text(100)]
    pub locality: Option<String>,
    #[is(Country)]
    #[country]
    pub country: Option<String>,
    /// Changed at this time or later.
    #[from(UpdatedAt)]
    pub updated_since: Option<Time>,
}

fn of_owners(all: Vec<OrganizationId>) -> SimpleExpr {
    match all.as_slice() {
        // A single owner is an equality, so that an index gives the rows in order.
        [one] => Column::OwnerOrganizationId.eq(*one),
        _ => Column::OwnerOrganizationId.eq_any(all.into_iter().map(|id| id.0).collect::<Vec<_>>()),
    }
}

/// Brings lists in line with grants that were given or taken since.
pub const CATCH_UP: &str = "SELECT app.engaged_catch_up($1) FROM (SELECT $2::timestamptz) AS now";
