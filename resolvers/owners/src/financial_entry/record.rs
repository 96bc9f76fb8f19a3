use super::CHANGE;
use crate::prelude::*;
use owners::{
    financial_entry::{FinancialEntry, FinancialEntryKind, Fresh},
    property::{self, PropertyId},
};
use schema::Long;

#[input]
pub struct FinancialEntryRecordInput {
    pub property_id: PropertyId,
    pub kind: FinancialEntryKind,
    /// In minor units of the currency, such as cents. What goes out is negative.
    #[amount]
    pub amount_minor: Long,
    /// ISO 4217, such as `USD`.
    #[currency]
    pub currency: String,
    pub booked_on: Date,
    /// Where it is known from, such as a statement or a receipt.
    #[text(500)]
    pub source: String,
    #[text(10_000)]
    pub note: Option<String>,
}

pub struct Record;

impl Procedure for Record {
    const NAME: &'static str = "financialEntry/v1/record";
    const ABOUT: &'static str = "Records an amount that came in or went out for a property.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[];
    type Input = FinancialEntryRecordInput;
    type Output = FinancialEntry;
    type Subject = NewBelow<property::Model, Fresh>;

    fn example() -> FinancialEntryRecordInput {
        FinancialEntryRecordInput {
            property_id: PropertyId::EXAMPLE,
            kind: FinancialEntryKind::Tax,
            amount_minor: Long(-184_250),
            currency: "USD".into(),
            booked_on: Date::parse("2026-04-30").unwrap_or_default(),
            source: "County treasurer, second half".into(),
            note: None,
        }
    }

    async fn subject(cx: &Context, input: &FinancialEntryRecordInput) -> Result<Self::Subject> {
        let FinancialEntryRecordInput { property_id, kind, amount_minor, currency, booked_on, source, note } = input.clone();
        let recorded_by = cx.actor.principal;
        let fresh = Fresh { property_id, kind, amount_minor, currency, booked_on, source, note, recorded_by };
        Ok(Seen::<property::Model>::find(cx, property_id).await?.with(fresh))
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, _: FinancialEntryRecordInput) -> Result<FinancialEntry> {
        let (_, row) = cx.create_below(allowed, "recorded").await?;
        Ok(row)
    }
}
