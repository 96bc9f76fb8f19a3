//! Financial entries: amounts that came in or went out for a property, as its owner knows them. They are no ledger. A wrong
//! entry stays, and another takes its place.

use crate::{
    portfolio::{self, PortfolioId},
    prelude::*,
    property::PropertyId,
};
use sea_orm::sea_query::SimpleExpr;

schema::id!(
    /// One amount that came in or went out.
    FinancialEntryId = 0x41
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
#[kind(FinancialEntry, table = "financial_entry", below = property_id, changes = [corrected_at, correction_reason])]
pub struct Model {
    pub organization_id: OrganizationId,
    pub id: FinancialEntryId,
    pub property_id: PropertyId,
    #[policy]
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

/// Which entries.
#[filter]
pub struct FinancialEntryFilter {
    /// Words, each of which occurs in the source or the note.
    #[search]
    #[text(100)]
    pub search: Option<String>,
    #[is(PropertyId)]
    pub property_id: Option<PropertyId>,
    /// Of the properties in this portfolio.
    #[by(in_portfolio)]
    pub portfolio_id: Option<PortfolioId>,
    /// Any of these.
    #[any(Kind)]
    pub kind: Option<Vec<FinancialEntryKind>>,
    #[is(Currency)]
    #[currency]
    pub currency: Option<String>,
    /// The first day.
    #[from(BookedOn)]
    pub from: Option<Date>,
    /// The first day after.
    #[until(BookedOn)]
    pub until: Option<Date>,
    /// With what was corrected since; without, if absent.
    #[unless(CorrectedAt)]
    pub with_corrected: Option<bool>,
}

fn in_portfolio(portfolio: PortfolioId) -> SimpleExpr {
    portfolio::holding((Entity, Column::OrganizationId), (Entity, Column::PropertyId), portfolio)
}

orders!(FinancialEntryOrder of FinancialEntryFilter, else BookedDesc {
    BookedAsc = "BOOKED_ASC", BookedDesc = "BOOKED_DESC": BookedOn;
    AmountAsc = "AMOUNT_ASC", AmountDesc = "AMOUNT_DESC": AmountMinor;
    // Ids are made in the order of their time.
    CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": Id;
});
