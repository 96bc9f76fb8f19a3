//! Who owns a property, by what share, from when until when, and by what evidence. What turned out
//! wrong stays, and another record takes its place.

use crate::{
    cells,
    delegation::{self, Delegable},
    loading::Row,
    page::{self, Connection, Page},
    property::{Properties, Property, PropertyId},
    ready::{self, plain},
};
use async_graphql::{ComplexObject, Context, InputObject, SimpleObject, Value as GraphQlValue, dataloader::Loader};
use futures_util::future::BoxFuture;
use garde::Validate;
use queryplan::{Attribute, Scalar};
use schema::{
    Date, Error, Nullable, OrganizationId, PrincipalId, Result, Snapshot, Time, Tx, load_one, nullable, snapshot, text_enum,
    valid,
};
use schemars::JsonSchema;
use sea_orm::{Condition, QueryFilter, QueryOrder, entity::prelude::*};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

pub const KIND: &str = "ownership";
pub static RESOURCE: queryplan::Resource = queryplan::Resource {
    table: "ownership",
    id: Scalar::uuid("id"),
    attributes: &[
        crate::relation("organization_id"),
        delegation::attribute(&delegation::BESIDE_PROPERTY),
        Attribute::text("capacity", "capacity"),
    ],
};

schema::id!(
    /// One record of who owns a property.
    OwnershipId
);

text_enum!(
    /// As what someone stands for a property.
    OwnershipCapacity {
        Owner = "OWNER",
        CoOwner = "CO_OWNER",
        /// Holds it for a trust.
        Trustee = "TRUSTEE",
        /// Stands for an LLC.
        Manager = "MANAGER",
    }
);

/// Who owns a property, by what share, from when until when.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[sea_orm(table_name = "ownership")]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Ownership")]
#[graphql(name = "Ownership", complex)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub organization_id: OrganizationId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OwnershipId,
    pub property_id: PropertyId,
    pub holder_name: String,
    /// The holder, if they have an account.
    pub principal_id: Option<PrincipalId>,
    pub capacity: OwnershipCapacity,
    /// Hundredths of a percent: 10000 is the whole. A trustee or manager may have none.
    pub share_basis_points: i32,
    /// The first day.
    pub starts_on: Date,
    /// The first day on which it no longer is.
    pub ends_on: Option<Date>,
    /// Such as deed and number.
    pub evidence: Option<String>,
    pub recorded_by: PrincipalId,
    /// The record whose place it took.
    pub corrects_id: Option<OwnershipId>,
    /// Since when another record stands in its place.
    pub corrected_at: Option<Time>,
    pub correction_reason: Option<String>,
    pub end_reason: Option<String>,
    /// For optimistic locking: send it with a change.
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

pub type Ownership = Model;

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

#[expect(clippy::disallowed_methods, reason = "the finder that begins with the organization")]
pub fn of(organization: OrganizationId) -> Select<Entity> {
    Entity::find().filter(Column::OrganizationId.eq(organization))
}

pub fn by_id(organization: OrganizationId, id: OwnershipId) -> Select<Entity> {
    of(organization).filter(Column::Id.eq(id))
}

cells::cells!(Model {
    organization_id,
    id,
    property_id,
    holder_name,
    principal_id,
    capacity,
    share_basis_points,
    starts_on,
    ends_on,
    evidence,
    recorded_by,
    corrects_id,
    corrected_at,
    correction_reason,
    end_reason,
    version,
    created_at,
    updated_at,
});

impl Row for Model {
    const KIND: &'static str = KIND;
    fn id(&self) -> Uuid {
        self.id.0
    }
    fn organization(&self) -> OrganizationId {
        self.organization_id
    }
    fn version(&self) -> Option<i32> {
        Some(self.version)
    }
    fn attributes(&self) -> Map<String, Value> {
        Map::from_iter([("capacity".to_owned(), self.capacity.as_str().into())])
    }
    fn delegable(&self) -> Option<Delegable> {
        Some(Delegable::Property(self.property_id))
    }
}

plain!(Model {
    "id" = id,
    "organizationId" = organization_id,
    "propertyId" = property_id,
    "holderName" = holder_name,
    "principalId" = principal_id,
    "capacity" = capacity,
    "shareBasisPoints" = share_basis_points,
    "startsOn" = starts_on,
    "endsOn" = ends_on,
    "evidence" = evidence,
    "recordedBy" = recorded_by,
    "correctsId" = corrects_id,
    "correctedAt" = corrected_at,
    "correctionReason" = correction_reason,
    "endReason" = end_reason,
    "version" = version,
    "createdAt" = created_at,
    "updatedAt" = updated_at,
} relation relation);

/// What hangs on ownerships, for all of them at once.
fn relation<'a>(cx: &'a Context<'a>, rows: &'a [&'a Model]) -> Option<BoxFuture<'a, Option<Vec<GraphQlValue>>>> {
    let set = cx.with_selection_set(&cx.item.node.selection_set);
    match cx.item.node.name.node.as_str() {
        "property" => Some(Box::pin(async move {
            let keys = rows.iter().map(|row| Some((row.organization_id, row.property_id))).collect();
            ready::maybe(cx, &set, Properties::of, keys).await
        })),
        _ => None,
    }
}

#[ComplexObject]
impl Model {
    /// What is owned.
    async fn property(&self, cx: &Context<'_>) -> Nullable<Property> {
        nullable(async {
            let loader = snapshot(cx).await?.loader(Properties::of);
            load_one(&loader, (self.organization_id, self.property_id)).await
        })
        .await
    }
}

/// Which ownerships. All that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwnershipFilter {
    #[garde(skip)]
    pub property_id: Option<PropertyId>,
    /// Any of these.
    #[garde(skip)]
    pub capacity: Option<Vec<OwnershipCapacity>>,
    #[garde(custom(valid::text(200)))]
    pub holder_name: Option<String>,
    /// What holds on this day.
    #[garde(skip)]
    pub on: Option<Date>,
    /// With what was corrected since; without, if absent.
    #[garde(skip)]
    pub with_corrected: Option<bool>,
}

impl OwnershipFilter {
    fn condition(self) -> Condition {
        let OwnershipFilter { property_id, capacity, holder_name, on, with_corrected } = self;
        Condition::all()
            .add_option(property_id.map(|id| Column::PropertyId.eq(id)))
            .add_option(capacity.map(|all| Column::Capacity.eq_any(page::texts(all, OwnershipCapacity::as_str))))
            .add_option(holder_name.map(|name| Column::HolderName.eq(name)))
            .add_option(on.map(holds_on))
            .add_option((!with_corrected.unwrap_or_default()).then(|| Column::CorrectedAt.is_null()))
    }
}

/// True of what holds on a day.
pub fn holds_on(day: Date) -> Condition {
    let open = Condition::any().add(Column::EndsOn.is_null()).add(Column::EndsOn.gt(day.0));
    Condition::all().add(Column::StartsOn.lte(day.0)).add(open)
}

page::orders!(
    /// In which order. Ties are broken by id, so that every order is total.
    OwnershipOrder of "ownership" {
        // Ids are made in the order of their time.
        CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": Id, |row| row.id.to_string(), page::bind_id;
        StartsAsc = "STARTS_ASC", StartsDesc = "STARTS_DESC": StartsOn, |row| row.starts_on.to_string(), page::bind_date;
        HolderAsc = "HOLDER_ASC", HolderDesc = "HOLDER_DESC": HolderName, |row| row.holder_name.clone(), page::bind_text;
    }
);

/// A page of the organization's ownerships, of those that the reader may see.
pub async fn list(
    tx: &Tx,
    organization: OrganizationId,
    visible: Condition,
    filter: Option<OwnershipFilter>,
    order: Option<OwnershipOrder>,
    page: Page,
) -> Result<Connection<Ownership>> {
    let select = of(organization).filter(visible).filter(filter.unwrap_or_default().condition());
    page::page(tx, select, Column::Id, order.unwrap_or(OwnershipOrder::StartsAsc).sort(), page, |row| row.id.0).await
}

/// Loads who owns properties, of what the reader may see, many at once. Without what was corrected.
pub struct Holders(Weak<Snapshot>);

impl Holders {
    pub fn of(snapshot: Weak<Snapshot>) -> Self {
        Holders(snapshot)
    }
}

#[async_trait::async_trait]

impl Loader<(OrganizationId, PropertyId)> for Holders {
    type Value = Vec<Ownership>;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[(OrganizationId, PropertyId)],
    ) -> Result<HashMap<(OrganizationId, PropertyId), Vec<Ownership>>, Arc<Error>> {
        let load = async {
            let snapshot = self.0.upgrade().ok_or_else(|| Error::internal("the query is over"))?;
            let ids: Vec<Uuid> = keys.iter().map(|(_, id)| id.0).collect();
            #[expect(clippy::disallowed_methods, reason = "begins with the organizations of its keys")]
            let select = Entity::find()
                .filter(crate::among(&snapshot.tx, Column::OrganizationId, keys))
                .filter(Column::PropertyId.eq_any(ids))
                .filter(Column::CorrectedAt.is_null())
                .filter(snapshot.filter(KIND)?)
                .order_by_asc(Column::StartsOn)
                .order_by_asc(Column::Id);
            let mut found: HashMap<_, Vec<Ownership>> = keys.iter().map(|key| (*key, Vec::new())).collect();
            for row in cells::all(&snapshot.tx, select).await? {
                found.entry((row.organization_id, row.property_id)).or_default().push(row);
            }
            Ok(found)
        };
        load.await.map_err(Arc::new)
    }
}
