//! Properties: what owners own.

use crate::{
    cells,
    delegation::{self, Delegable},
    external_party::{ExternalParty, ExternalPartyId, Parties},
    financial_entry::{self, FinancialEntry, FinancialEntryFilter, FinancialEntryOrder},
    history::{self, HistoryEntry},
    loading::Row,
    ownership::{Holders, Ownership},
    page::{self, Connection, Page},
    portfolio::{Groups, Portfolio, PortfolioId, member},
    ready::{self, plain},
};
use async_graphql::{ComplexObject, Context, InputObject, SimpleObject, Value as GraphQlValue, dataloader::Loader};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use garde::Validate;
use queryplan::{Attribute, Scalar};
use schema::{Error, Nullable, OrganizationId, Result, Snapshot, Time, Tx, input, nullable, snapshot, text_enum, valid};
use schemars::JsonSchema;
use sea_orm::{Condition, QueryFilter, entity::prelude::*};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

pub const KIND: &str = "property";
pub static RESOURCE: queryplan::Resource = queryplan::Resource {
    table: "property",
    id: Scalar::uuid("id"),
    attributes: &[
        crate::relation("organization_id"),
        delegation::attribute(&delegation::OF_PROPERTY),
        Attribute::text("kind", "kind"),
        Attribute::text("status", "status"),
    ],
};

schema::id!(
    /// A house, a flat, a lot.
    PropertyId
);

text_enum!(
    /// What a property is.
    PropertyKind {
        SingleFamily = "SINGLE_FAMILY",
        Condominium = "CONDOMINIUM",
        Townhouse = "TOWNHOUSE",
        MultiFamily = "MULTI_FAMILY",
        Land = "LAND",
        Commercial = "COMMERCIAL",
        Other = "OTHER",
    }
);

text_enum!(
    /// Archived properties stay, and stay out of the way.
    PropertyStatus { Active = "ACTIVE", Archived = "ARCHIVED" }
);

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "property")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub organization_id: OrganizationId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PropertyId,
    pub kind: PropertyKind,
    pub line1: String,
    pub line2: Option<String>,
    pub locality: String,
    pub region: Option<String>,
    pub postal_code: Option<String>,
    pub country: String,
    pub parcel: Option<String>,
    pub time_zone: String,
    pub status: PropertyStatus,
    pub notes: Option<String>,
    pub hoa_id: Option<ExternalPartyId>,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub archived_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

#[expect(clippy::disallowed_methods, reason = "the finder that begins with the organization")]
pub fn of(organization: OrganizationId) -> Select<Entity> {
    Entity::find().filter(Column::OrganizationId.eq(organization))
}

pub fn by_id(organization: OrganizationId, id: PropertyId) -> Select<Entity> {
    of(organization).filter(Column::Id.eq(id))
}

/// These, of whatever organizations.
#[expect(clippy::disallowed_methods, reason = "begins with the organizations of its keys")]
pub fn many(tx: &Tx, keys: &[(OrganizationId, PropertyId)]) -> Select<Entity> {
    let ids: Vec<Uuid> = keys.iter().map(|(_, id)| id.0).collect();
    Entity::find().filter(crate::among(tx, Column::OrganizationId, keys)).filter(Column::Id.eq_any(ids))
}

/// Loads those that the reader may see, many at once.
pub struct Properties(Weak<Snapshot>);

impl Properties {
    pub fn of(snapshot: Weak<Snapshot>) -> Self {
        Properties(snapshot)
    }
}

#[async_trait::async_trait]

impl Loader<(OrganizationId, PropertyId)> for Properties {
    type Value = Property;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[(OrganizationId, PropertyId)],
    ) -> Result<HashMap<(OrganizationId, PropertyId), Property>, Arc<Error>> {
        let load = async {
            let snapshot = self.0.upgrade().ok_or_else(|| Error::internal("the query is over"))?;
            let rows = cells::all(&snapshot.tx, many(&snapshot.tx, keys).filter(snapshot.filter(KIND)?)).await?;
            Ok(rows.into_iter().map(|row| ((row.organization_id, row.id), row.into())).collect())
        };
        load.await.map_err(Arc::new)
    }
}

cells::cells!(Model {
    organization_id,
    id,
    kind,
    line1,
    line2,
    locality,
    region,
    postal_code,
    country,
    parcel,
    time_zone,
    status,
    notes,
    hoa_id,
    version,
    created_at,
    updated_at,
    archived_at,
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
    fn delegable(&self) -> Option<Delegable> {
        Some(Delegable::Property(self.id))
    }
    fn attributes(&self) -> Map<String, Value> {
        Map::from_iter([("kind".to_owned(), self.kind.as_str().into()), ("status".to_owned(), self.status.as_str().into())])
    }
}

/// Where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, SimpleObject, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[graphql(input_name = "AddressInput")]
pub struct Address {
    #[garde(custom(valid::text(200)))]
    pub line1: String,
    #[garde(custom(valid::text(200)))]
    pub line2: Option<String>,
    /// City or town.
    #[garde(custom(valid::text(100)))]
    pub locality: String,
    /// State or province.
    #[garde(custom(valid::text(100)))]
    pub region: Option<String>,
    #[garde(custom(valid::text(20)))]
    pub postal_code: Option<String>,
    /// ISO 3166-1 alpha-2, such as `US`.
    #[garde(custom(valid::country))]
    pub country: String,
}

/// A house, a flat, a lot: what an owner owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase")]
#[graphql(complex)]
pub struct Property {
    pub id: PropertyId,
    /// Who owns the record.
    pub organization_id: OrganizationId,
    pub kind: PropertyKind,
    pub address: Address,
    /// The land register's number of it.
    pub parcel: Option<String>,
    /// IANA name, such as `America/Phoenix`.
    pub time_zone: String,
    pub status: PropertyStatus,
    pub notes: Option<String>,
    pub hoa_id: Option<ExternalPartyId>,
    /// For optimistic locking: send it with a change.
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
    pub archived_at: Option<Time>,
}

impl From<Model> for Property {
    fn from(row: Model) -> Self {
        let Model {
            organization_id,
            id,
            kind,
            line1,
            line2,
            locality,
            region,
            postal_code,
            country,
            parcel,
            time_zone,
            status,
            notes,
            hoa_id,
            version,
            created_at,
            updated_at,
            archived_at,
        } = row;
        Property {
            id,
            organization_id,
            kind,
            address: Address { line1, line2, locality, region, postal_code, country },
            parcel,
            time_zone,
            status,
            notes,
            hoa_id,
            version,
            created_at: created_at.into(),
            updated_at: updated_at.into(),
            archived_at: archived_at.map(Time),
        }
    }
}

plain!(Address {
    "line1" = line1,
    "line2" = line2,
    "locality" = locality,
    "region" = region,
    "postalCode" = postal_code,
    "country" = country,
});

plain!(Property {
    "id" = id,
    "organizationId" = organization_id,
    "kind" = kind,
    "parcel" = parcel,
    "timeZone" = time_zone,
    "status" = status,
    "notes" = notes,
    "hoaId" = hoa_id,
    "version" = version,
    "createdAt" = created_at,
    "updatedAt" = updated_at,
    "archivedAt" = archived_at,
} within { "address" = address } relation relation);

/// What hangs on properties, for all of them at once.
fn relation<'a>(cx: &'a Context<'a>, rows: &'a [&'a Property]) -> Option<BoxFuture<'a, Option<Vec<GraphQlValue>>>> {
    let set = cx.with_selection_set(&cx.item.node.selection_set);
    let keys = || rows.iter().map(|row| (row.organization_id, row.id)).collect::<Vec<_>>();
    match cx.item.node.name.node.as_str() {
        "ownerships" => Some(Box::pin(async move { ready::many(cx, &set, Holders::of, keys()).await })),
        "portfolios" => Some(Box::pin(async move { ready::many(cx, &set, Groups::of, keys()).await })),
        "hoa" => Some(Box::pin(async move {
            let keys = rows.iter().map(|row| Some((row.organization_id, row.hoa_id?))).collect();
            ready::maybe(cx, &set, Parties::of, keys).await
        })),
        _ => None,
    }
}

#[ComplexObject]
impl Property {
    /// The association that it belongs to, as its owner knows it.
    async fn hoa(&self, cx: &Context<'_>) -> Nullable<ExternalParty> {
        nullable(async {
            let Some(hoa) = self.hoa_id else { return Ok(None) };
            let loader = snapshot(cx).await?.loader(Parties::of);
            schema::load_one(&loader, (self.organization_id, hoa)).await
        })
        .await
    }

    /// Who owns it, by what share, from when until when; without what was corrected.
    async fn ownerships(&self, cx: &Context<'_>) -> Nullable<Vec<Ownership>> {
        nullable(async {
            let loader = snapshot(cx).await?.loader(Holders::of);
            schema::load_one(&loader, (self.organization_id, self.id)).await
        })
        .await
    }

    /// What came in and went out for it, of what the reader may see.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
    async fn financial_entries(
        &self,
        cx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<FinancialEntryFilter>,
        order_by: Option<FinancialEntryOrder>,
    ) -> Nullable<Connection<FinancialEntry>> {
        let page = Page { first, after, last, before, with_total: cx.look_ahead().field("totalCount").exists() };
        nullable(async {
            input::validate_at("filter", filter.as_ref())?;
            let snapshot = snapshot(cx).await?;
            let filter = FinancialEntryFilter { property_id: Some(self.id), ..filter.unwrap_or_default() };
            let visible = snapshot.filter(financial_entry::KIND)?;
            financial_entry::list(&snapshot.tx, self.organization_id, visible, Some(filter), order_by, page).await.map(Some)
        })
        .await
    }

    /// What changed, when, by whom, and by whose leave; newest first.
    async fn history(
        &self,
        cx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Nullable<Connection<HistoryEntry>> {
        let page = Page { first, after, last, before, with_total: cx.look_ahead().field("totalCount").exists() };
        nullable(async {
            let snapshot = snapshot(cx).await?;
            history::of_property(&snapshot, self.organization_id, self.id, page).await.map(Some)
        })
        .await
    }

    /// The portfolios that it is in, in their order.
    async fn portfolios(&self, cx: &Context<'_>) -> Nullable<Vec<Portfolio>> {
        nullable(async {
            let loader = snapshot(cx).await?.loader(Groups::of);
            schema::load_one(&loader, (self.organization_id, self.id)).await
        })
        .await
    }
}

/// Which properties. All that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PropertyFilter {
    /// Any of these.
    #[garde(skip)]
    pub kind: Option<Vec<PropertyKind>>,
    #[garde(skip)]
    pub status: Option<Vec<PropertyStatus>>,
    #[garde(custom(valid::text(100)))]
    pub region: Option<String>,
    #[garde(custom(valid::text(100)))]
    pub locality: Option<String>,
    #[garde(custom(valid::country))]
    pub country: Option<String>,
    #[garde(skip)]
    pub hoa_id: Option<ExternalPartyId>,
    /// In this portfolio.
    #[garde(skip)]
    pub portfolio_id: Option<PortfolioId>,
    /// Changed at this time or later.
    #[garde(skip)]
    pub updated_since: Option<Time>,
}

impl PropertyFilter {
    pub(crate) fn condition(self) -> Condition {
        let PropertyFilter { kind, status, region, locality, country, hoa_id, portfolio_id, updated_since } = self;
        let text = |values: Vec<&'static str>| values.into_iter().map(str::to_owned).collect::<Vec<_>>();
        Condition::all()
            .add_option(kind.map(|kinds| Column::Kind.eq_any(text(kinds.into_iter().map(PropertyKind::as_str).collect()))))
            .add_option(status.map(|all| Column::Status.eq_any(text(all.into_iter().map(PropertyStatus::as_str).collect()))))
            .add_option(region.map(|region| Column::Region.eq(region)))
            .add_option(locality.map(|locality| Column::Locality.eq(locality)))
            .add_option(country.map(|country| Column::Country.eq(country)))
            .add_option(hoa_id.map(|hoa| Column::HoaId.eq(hoa)))
            .add_option(portfolio_id.map(member::holds))
            .add_option(updated_since.map(|since| Column::UpdatedAt.gte(since.0)))
    }
}

page::orders!(
    /// In which order. Ties are broken by id, so that every order is total.
    PropertyOrder of "property" {
        // Ids are made in the order of their time.
        CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": Id, |row| row.id.to_string(), page::bind_id;
        UpdatedAsc = "UPDATED_ASC", UpdatedDesc = "UPDATED_DESC": UpdatedAt, |row| page::time_key(row.updated_at), page::bind_time;
        AddressAsc = "ADDRESS_ASC", AddressDesc = "ADDRESS_DESC": Line1, |row| row.line1.clone(), page::bind_text;
    }
);

/// A page of the organization's properties, of those that the reader may see.
pub async fn list(
    tx: &Tx,
    organization: OrganizationId,
    visible: Condition,
    filter: Option<PropertyFilter>,
    order: Option<PropertyOrder>,
    page: Page,
) -> Result<Connection<Property>> {
    let select = of(organization).filter(visible).filter(filter.unwrap_or_default().condition());
    page::page(tx, select, Column::Id, order.unwrap_or(PropertyOrder::CreatedAsc).sort(), page, |row| row.id.0).await
}

/// IANA names.
pub fn time_zone<T: valid::Text>(value: &T, _: &()) -> valid::Valid {
    match value.text() {
        Some(name) if name.parse::<chrono_tz::Tz>().is_err() => {
            Err(garde::Error::new("UNKNOWN_TIME_ZONE|must be an IANA time zone, such as America/Phoenix"))
        }
        _ => Ok(()),
    }
}
