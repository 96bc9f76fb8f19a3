//! Properties: the houses, flats and lots that an owner owns.

use crate::{
    external_party::ExternalPartyId,
    portfolio::{self, PortfolioId},
    prelude::*,
};
use async_graphql::SimpleObject;
use kind::input;
use schema::{Reading, Result};
use schemars::JsonSchema;
use sea_orm::{
    Condition, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, SimpleExpr},
};
use serde::{Deserialize, Serialize};

schema::id!(
    /// A house, a flat, a lot.
    PropertyId = 0xa1, SECOND_EXAMPLE = 0xa2
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

/// A property's row. Clients see the columns of its address as one object.
#[kind(Property, table = "property", shelved_by = status, delegated = Property, apart)]
pub struct Model {
    pub organization_id: OrganizationId,
    pub id: PropertyId,
    #[policy]
    pub kind: PropertyKind,
    pub line1: String,
    pub line2: Option<String>,
    pub locality: String,
    pub region: Option<String>,
    pub postal_code: Option<String>,
    pub country: String,
    pub parcel: Option<String>,
    pub time_zone: String,
    #[policy]
    pub status: PropertyStatus,
    pub notes: Option<String>,
    pub hoa_id: Option<ExternalPartyId>,
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
    pub archived_at: Option<Time>,
}

/// Where it stands.
#[input(value)]
pub struct Address {
    #[text(200)]
    pub line1: String,
    #[text(200)]
    pub line2: Option<String>,
    /// City or town.
    #[text(100)]
    pub locality: String,
    /// State or province.
    #[text(100)]
    pub region: Option<String>,
    #[text(20)]
    pub postal_code: Option<String>,
    /// ISO 3166-1 alpha-2, such as `US`.
    #[country]
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

impl Model {
    pub fn address(&self) -> Address {
        Property::from(self.clone()).address
    }
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
        let address = Address { line1, line2, locality, region, postal_code, country };
        Property {
            id,
            organization_id,
            kind,
            address,
            parcel,
            time_zone,
            status,
            notes,
            hoa_id,
            version,
            created_at,
            updated_at,
            archived_at,
        }
    }
}

kind::plain!(Address {
    "line1" = line1,
    "line2" = line2,
    "locality" = locality,
    "region" = region,
    "postalCode" = postal_code,
    "country" = country,
});

kind::plain!(Property {
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
} within { "address" = address });

kind::related!(Property);

/// Which properties.
#[filter]
pub struct PropertyFilter {
    /// Words, each of which occurs in the address, the parcel number or the notes.
    #[search]
    #[text(100)]
    pub search: Option<String>,
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
    #[is(HoaId)]
    pub hoa_id: Option<ExternalPartyId>,
    /// In this portfolio.
    #[by(in_portfolio)]
    pub portfolio_id: Option<PortfolioId>,
    /// Changed at this time or later.
    #[from(UpdatedAt)]
    pub updated_since: Option<Time>,
}

/// The condition that a property is in a portfolio.
pub fn in_portfolio(portfolio: PortfolioId) -> SimpleExpr {
    portfolio::holding((Entity, Column::OrganizationId), (Entity, Column::Id), portfolio)
}

orders!(PropertyOrder of PropertyFilter, else CreatedAsc {
    // Ids are made in the order of their time.
    CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": Id;
    UpdatedAsc = "UPDATED_ASC", UpdatedDesc = "UPDATED_DESC": UpdatedAt;
    AddressAsc = "ADDRESS_ASC", AddressDesc = "ADDRESS_DESC": Line1;
    KindAsc = "KIND_ASC", KindDesc = "KIND_DESC": Kind;
    LocalityAsc = "LOCALITY_ASC", LocalityDesc = "LOCALITY_DESC": Locality;
});

/// The most others that a warning names.
const OTHERS: u64 = 5;

/// Other properties of the same owner that may be at the same address, of those that the reader may see. Case and spaces make no
/// difference, nor does a region or a postal code that only one of them names.
pub async fn same_address(reading: &dyn Reading, property: &Property) -> Result<Vec<PropertyId>> {
    let Address { line1, line2, locality, region, postal_code, country } = property.address.clone();
    let plain = |text| Expr::cust_with_exprs(r"lower(btrim(regexp_replace(coalesce($1, ''), '\s+', ' ', 'g')))", [text]);
    let of_row = |column: Column| plain(Expr::col((Entity, column)));
    let same = |column: Column, text: Option<String>| of_row(column).eq(plain(Expr::val(text)));
    let unless_absent = |column: Column, text: Option<String>| match text {
        None => Condition::all(),
        Some(text) => Condition::any().add(of_row(column).eq("")).add(same(column, Some(text))),
    };
    let ids = of(property.organization_id)
        .filter(same(Column::Line1, Some(line1)))
        .filter(same(Column::Line2, line2))
        .filter(same(Column::Locality, Some(locality)))
        .filter(unless_absent(Column::Region, region))
        .filter(unless_absent(Column::PostalCode, postal_code))
        .filter(Column::Country.eq(country))
        .filter(Column::Status.eq(PropertyStatus::Active))
        .filter(Column::Id.ne(property.id))
        .filter(reading.filter(KIND)?)
        .order_by_asc(Column::Id)
        .limit(OTHERS)
        .select_only()
        .column(Column::Id)
        .into_tuple()
        .all(reading.tx().await?)
        .await?;
    Ok(ids)
}

/// The rule for a time zone: an IANA name.
pub fn time_zone<T: valid::Text>(value: &T, _: &()) -> valid::Valid {
    match value.text() {
        Some(name) if name.parse::<chrono_tz::Tz>().is_err() => {
            Err(garde::Error::new("UNKNOWN_TIME_ZONE|must be an IANA time zone, such as America/Phoenix"))
        }
        _ => Ok(()),
    }
}
