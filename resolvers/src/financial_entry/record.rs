use super::{CHANGE, event};
use async_graphql::InputObject;
use entities::{
    financial_entry::{self, FinancialEntry, FinancialEntryKind},
    loading::{self, Beside},
    property::{self, PropertyId},
};
use garde::Validate;
use schema::{Allowed, Change, Code, Context, Date, Kind, Long, Procedure, Result, valid};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FinancialEntryRecordInput {
    #[garde(skip)]
    pub property_id: PropertyId,
    #[garde(skip)]
    pub kind: FinancialEntryKind,
    /// In minor units of the currency, such as cents. What goes out is negative.
    #[garde(custom(valid::amount))]
    pub amount_minor: Long,
    /// ISO 4217, such as `USD`.
    #[garde(custom(valid::currency))]
    pub currency: String,
    #[garde(skip)]
    pub booked_on: Date,
    /// Where it is known from, such as a statement or a receipt.
    #[garde(custom(valid::text(500)))]
    pub source: String,
    #[garde(custom(valid::text(10_000)))]
    pub note: Option<String>,
}

pub struct Record;

impl Procedure for Record {
    const NAME: &'static str = "financialEntry/v1/record";
    const ABOUT: &'static str = "Records an amount that came in or went out for a property.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[];
    type Input = FinancialEntryRecordInput;
    type Output = FinancialEntry;
    type Subject = Beside<property::Model>;

    fn example() -> FinancialEntryRecordInput {
        FinancialEntryRecordInput {
            property_id: PropertyId(uuid::uuid!("01920000-0000-7000-8000-0000000000a1")),
            kind: FinancialEntryKind::Tax,
            amount_minor: Long(-184_250),
            currency: "USD".into(),
            booked_on: Date::parse("2026-04-30").unwrap_or(Date(Default::default())),
            source: "County treasurer, second half".into(),
            note: None,
        }
    }

    async fn subject(cx: &Context, input: &FinancialEntryRecordInput) -> Result<Self::Subject> {
        let property = loading::one(cx, property::by_id(cx.owner(), input.property_id)).await?;
        Ok(property.with(financial_entry::KIND, serde_json::json!({ "kind": input.kind.as_str() })))
    }

    async fn handle(cx: &Context, _: Allowed<Self::Subject>, input: FinancialEntryRecordInput) -> Result<FinancialEntry> {
        let FinancialEntryRecordInput { property_id, kind, amount_minor, currency, booked_on, source, note } = input;
        let row = financial_entry::ActiveModel {
            organization_id: Set(cx.owner()),
            id: Set(cx.new_id()),
            property_id: Set(property_id),
            kind: Set(kind),
            amount_minor: Set(amount_minor),
            currency: Set(currency),
            booked_on: Set(booked_on),
            source: Set(source),
            note: Set(note),
            recorded_by: Set(cx.actor.principal),
            corrects_id: Set(None),
            corrected_at: Set(None),
            correction_reason: Set(None),
            version: Set(1),
            created_at: Set(cx.now().into()),
            updated_at: Set(cx.now().into()),
        };
        let row = row.insert(cx.tx().await?).await?;
        cx.changed(event("financial_entry.recorded", &row, Change::default().id("propertyId", Some(property_id.0))));
        Ok(row)
    }
}
