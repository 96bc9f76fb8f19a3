//! Properties: what owners own.

use crate::{
    external_party::{ExternalParty, ExternalPartyId, Parties},
    loading::Row,
    page::{self, Connection, Page, Sort},
    portfolio::{Groups, Portfolio, PortfolioId, member},
    relation,
};
use async_graphql::{ComplexObject, Context, InputObject, SimpleObject};
use chrono::{DateTime, Utc};
use garde::Validate;
use queryplan::{Attribute, Scalar};
use schema::{Nullable, OrganizationId, Result, Time, Tx, nullable, snapshot, text_enum, valid};
use schemars::JsonSchema;
use sea_orm::{Condition, QueryFilter, entity::prelude::*};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub const KIND: &str = "property";
pub static RESOURCE: queryplan::Resource = queryplan::Resource {
    table: "property",
    id: Scalar::uuid("id"),
    attributes: &[relation("organization_id"), Attribute::text("kind", "kind"), Attribute::text("status", "status")],
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
    fn condition(self) -> Condition {
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

text_enum!(
    /// In which order. Ties are broken by id, so that every order is total.
    PropertyOrder {
        CreatedAsc = "CREATED_ASC",
        CreatedDesc = "CREATED_DESC",
        UpdatedAsc = "UPDATED_ASC",
        UpdatedDesc = "UPDATED_DESC",
        AddressAsc = "ADDRESS_ASC",
        AddressDesc = "ADDRESS_DESC",
    }
);

impl PropertyOrder {
    fn sort(self) -> Sort<Column, Model> {
        let (column, key, bind): (Column, fn(&Model) -> String, _) = match self {
            // Ids are made in the order of their time.
            PropertyOrder::CreatedAsc | PropertyOrder::CreatedDesc => {
                (Column::Id, |row| row.id.to_string(), page::bind_id as fn(&str) -> _)
            }
            PropertyOrder::UpdatedAsc | PropertyOrder::UpdatedDesc => {
                (Column::UpdatedAt, |row| page::time_key(row.updated_at), page::bind_time as fn(&str) -> _)
            }
            PropertyOrder::AddressAsc | PropertyOrder::AddressDesc => {
                (Column::Line1, |row| row.line1.clone(), page::bind_text as fn(&str) -> _)
            }
        };
        let descending = matches!(self, PropertyOrder::CreatedDesc | PropertyOrder::UpdatedDesc | PropertyOrder::AddressDesc);
        let name = match self {
            PropertyOrder::CreatedAsc => "property:CREATED_ASC",
            PropertyOrder::CreatedDesc => "property:CREATED_DESC",
            PropertyOrder::UpdatedAsc => "property:UPDATED_ASC",
            PropertyOrder::UpdatedDesc => "property:UPDATED_DESC",
            PropertyOrder::AddressAsc => "property:ADDRESS_ASC",
            PropertyOrder::AddressDesc => "property:ADDRESS_DESC",
        };
        Sort { name, column, descending, key, bind }
    }
}

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
