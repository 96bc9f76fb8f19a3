//! What came in and went out for a property, as its owner knows it. Not a ledger: a small context, of
//! which what turned out wrong stays, and another entry takes its place.

use crate::{
    cells,
    delegation::{self, Delegable},
    loading::Row,
    page::{self, Connection, Page},
    portfolio::{PortfolioId, member},
    property::{Properties, Property, PropertyId},
    ready::plain,
    relation,
};
use async_graphql::{ComplexObject, Context, InputObject, SimpleObject};
use garde::Validate;
use queryplan::{Attribute, Scalar};
use schema::{
    Date, Long, Nullable, OrganizationId, PrincipalId, Result, Time, Tx, load_one, nullable, snapshot, text_enum, valid,
};
use schemars::JsonSchema;
use sea_orm::{Condition, QueryFilter, entity::prelude::*};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub const KIND: &str = "financial_entry";
pub static RESOURCE: queryplan::Resource = queryplan::Resource {
    table: "financial_entry",
    id: Scalar::uuid("id"),
    attributes: &[
        relation("organization_id"),
        delegation::attribute(&delegation::BESIDE_PROPERTY),
        Attribute::text("kind", "kind"),
    ],
};

schema::id!(
    /// One amount that came in or went out.
    FinancialEntryId
);

text_enum!(
    /// What an amount was for.
    FinancialEntryKind {
        Rent = "RENT",
        OtherIncome = "OTHER_INCOME",
        Tax = "TAX",
        Insurance = "INSURANCE",
        AssociationDues = "ASSOCIATION_DUES",
        Mortgage = "MORTGAGE",
        Maintenance = "MAINTENANCE",
        Utilities = "UTILITIES",
        Fees = "FEES",
        OtherExpense = "OTHER_EXPENSE",
    }
);

/// An amount that came in or went out for a property.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[sea_orm(table_name = "financial_entry")]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "FinancialEntry")]
#[graphql(name = "FinancialEntry", complex)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub organization_id: OrganizationId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: FinancialEntryId,
    pub property_id: PropertyId,
    pub kind: FinancialEntryKind,
    /// In minor units of the currency, such as cents. What goes out is negative.
    pub amount_minor: Long,
    /// ISO 4217, such as `USD`.
    pub currency: String,
    pub booked_on: Date,
    /// Where it is known from, such as a statement or a receipt.
    pub source: String,
    pub note: Option<String>,
    pub recorded_by: PrincipalId,
    /// The entry whose place it took.
    pub corrects_id: Option<FinancialEntryId>,
    /// Since when another entry stands in its place.
    pub corrected_at: Option<Time>,
    pub correction_reason: Option<String>,
    /// For optimistic locking: send it with a change.
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

plain!(Model {
    "organizationId" = organization_id,
    "id" = id,
    "propertyId" = property_id,
    "kind" = kind,
    "amountMinor" = amount_minor,
    "currency" = currency,
    "bookedOn" = booked_on,
    "source" = source,
    "note" = note,
    "recordedBy" = recorded_by,
    "correctsId" = corrects_id,
    "correctedAt" = corrected_at,
    "correctionReason" = correction_reason,
    "version" = version,
    "createdAt" = created_at,
    "updatedAt" = updated_at,
});

pub type FinancialEntry = Model;

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

#[expect(clippy::disallowed_methods, reason = "the finder that begins with the organization")]
pub fn of(organization: OrganizationId) -> Select<Entity> {
    Entity::find().filter(Column::OrganizationId.eq(organization))
}

pub fn by_id(organization: OrganizationId, id: FinancialEntryId) -> Select<Entity> {
    of(organization).filter(Column::Id.eq(id))
}

cells::cells!(Model {
    organization_id,
    id,
    property_id,
    kind,
    amount_minor,
    currency,
    booked_on,
    source,
    note,
    recorded_by,
    corrects_id,
    corrected_at,
    correction_reason,
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
        Map::from_iter([("kind".to_owned(), self.kind.as_str().into())])
    }
    fn delegable(&self) -> Option<Delegable> {
        Some(Delegable::Property(self.property_id))
    }
}

#[ComplexObject]
impl Model {
    /// What it was for.
    async fn property(&self, cx: &Context<'_>) -> Nullable<Property> {
        nullable(async {
            let loader = snapshot(cx).await?.loader(Properties::of);
            load_one(&loader, (self.organization_id, self.property_id)).await
        })
        .await
    }
}

/// Which entries. All that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FinancialEntryFilter {
    #[garde(skip)]
    pub property_id: Option<PropertyId>,
    /// Of the properties in this portfolio.
    #[garde(skip)]
    pub portfolio_id: Option<PortfolioId>,
    /// Any of these.
    #[garde(skip)]
    pub kind: Option<Vec<FinancialEntryKind>>,
    #[garde(custom(valid::currency))]
    pub currency: Option<String>,
    /// The first day.
    #[garde(skip)]
    pub from: Option<Date>,
    /// The first day after.
    #[garde(skip)]
    pub until: Option<Date>,
    /// With what was corrected since; without, if absent.
    #[garde(skip)]
    pub with_corrected: Option<bool>,
}

impl FinancialEntryFilter {
    pub(crate) fn condition(self) -> Condition {
        let FinancialEntryFilter { property_id, portfolio_id, kind, currency, from, until, with_corrected } = self;
        Condition::all()
            .add_option(property_id.map(|id| Column::PropertyId.eq(id)))
            .add_option(
                portfolio_id.map(|id| member::holding((Entity, Column::OrganizationId), (Entity, Column::PropertyId), id)),
            )
            .add_option(kind.map(|all| Column::Kind.eq_any(page::texts(all, FinancialEntryKind::as_str))))
            .add_option(currency.map(|currency| Column::Currency.eq(currency)))
            .add_option(from.map(|day| Column::BookedOn.gte(day.0)))
            .add_option(until.map(|day| Column::BookedOn.lt(day.0)))
            .add_option((!with_corrected.unwrap_or_default()).then(|| Column::CorrectedAt.is_null()))
    }
}

page::orders!(
    /// In which order. Ties are broken by id, so that every order is total.
    FinancialEntryOrder of "financial_entry" {
        BookedAsc = "BOOKED_ASC", BookedDesc = "BOOKED_DESC": BookedOn, |row| row.booked_on.to_string(), page::bind_date;
        // Ids are made in the order of their time.
        CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": Id, |row| row.id.to_string(), page::bind_id;
    }
);

/// A page of the organization's entries, of those that the reader may see.
pub async fn list(
    tx: &Tx,
    organization: OrganizationId,
    visible: Condition,
    filter: Option<FinancialEntryFilter>,
    order: Option<FinancialEntryOrder>,
    page: Page,
) -> Result<Connection<FinancialEntry>> {
    let select = of(organization).filter(visible).filter(filter.unwrap_or_default().condition());
    page::page(tx, select, Column::Id, order.unwrap_or(FinancialEntryOrder::BookedDesc).sort(), page, |row| row.id.0).await
}
