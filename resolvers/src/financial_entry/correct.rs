use super::{CHANGE, event};
use async_graphql::{InputObject, MaybeUndefined};
use entities::{
    financial_entry::{self, FinancialEntry, FinancialEntryId, FinancialEntryKind},
    loading::{self, Seen, expect_version},
};
use garde::Validate;
use schema::{Allowed, Change, Code, Context, Date, Error, Kind, Long, Procedure, Result, valid};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde::{Deserialize, Serialize};

/// What is absent is taken over; null clears what can be cleared.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FinancialEntryCorrectInput {
    /// The entry that is wrong.
    #[garde(skip)]
    pub id: FinancialEntryId,
    /// The version that was read.
    #[garde(custom(valid::version))]
    pub version: i32,
    /// What was wrong: kept for good.
    #[garde(custom(valid::text(1_000)))]
    pub reason: String,
    #[garde(skip)]
    #[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]
    pub kind: Option<FinancialEntryKind>,
    #[garde(custom(valid::amount))]
    #[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]
    pub amount_minor: Option<Long>,
    #[garde(custom(valid::currency))]
    #[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    #[garde(skip)]
    #[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]
    pub booked_on: Option<Date>,
    #[garde(custom(valid::text(500)))]
    #[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[garde(custom(valid::text(10_000)))]
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schemars(with = "Option<String>")]
    pub note: MaybeUndefined<String>,
}

pub struct Correct;

impl Procedure for Correct {
    const NAME: &'static str = "financialEntry/v1/correct";
    const ABOUT: &'static str = "Puts another entry in the place of one that is wrong, which stays and says so.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[Code::VersionConflict, Code::FinancialEntryCorrected];
    type Input = FinancialEntryCorrectInput;
    type Output = FinancialEntry;
    type Subject = Seen<financial_entry::Model>;

    fn example() -> FinancialEntryCorrectInput {
        FinancialEntryCorrectInput {
            id: FinancialEntryId(uuid::uuid!("01920000-0000-7000-8000-000000000041")),
            version: 1,
            reason: "The receipt says 1,842.50".into(),
            kind: None,
            amount_minor: Some(Long(-184_250)),
            currency: None,
            booked_on: None,
            source: None,
            note: MaybeUndefined::Undefined,
        }
    }

    async fn subject(cx: &Context, input: &FinancialEntryCorrectInput) -> Result<Self::Subject> {
        loading::one(cx, financial_entry::by_id(cx.owner(), input.id)).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: FinancialEntryCorrectInput) -> Result<FinancialEntry> {
        let FinancialEntryCorrectInput { id: _, version, reason, kind, amount_minor, currency, booked_on, source, note } = input;
        let wrong = allowed.into_subject().row;
        expect_version(wrong.version, version)?;
        if wrong.corrected_at.is_some() {
            return Err(Error::new(Code::FinancialEntryCorrected));
        }
        let right = financial_entry::Model {
            id: cx.new_id(),
            kind: kind.unwrap_or(wrong.kind),
            amount_minor: amount_minor.unwrap_or(wrong.amount_minor),
            currency: currency.unwrap_or_else(|| wrong.currency.clone()),
            booked_on: booked_on.unwrap_or(wrong.booked_on),
            source: source.unwrap_or_else(|| wrong.source.clone()),
            note: if note.is_undefined() { wrong.note.clone() } else { note.take() },
            recorded_by: cx.actor.principal,
            corrects_id: Some(wrong.id),
            version: 1,
            created_at: cx.now().into(),
            updated_at: cx.now().into(),
            ..wrong.clone()
        };
        let tx = cx.tx().await?;
        let mut wrong = wrong.into_active_model();
        wrong.corrected_at = Set(Some(cx.now().into()));
        wrong.correction_reason = Set(Some(reason));
        wrong.version = Set(version + 1);
        wrong.updated_at = Set(cx.now().into());
        let wrong = wrong.update(tx).await?;
        let right = right.into_active_model().reset_all().insert(tx).await?;
        let property = Some(right.property_id.0);
        let change = Change::fields(&["correctedAt"]).id("correctedById", Some(right.id.0)).id("propertyId", property);
        cx.changed(event("financial_entry.corrected", &wrong, change));
        let change = Change::default().id("correctsId", Some(wrong.id.0)).id("propertyId", property);
        cx.changed(event("financial_entry.recorded", &right, change));
        Ok(right)
    }
}
