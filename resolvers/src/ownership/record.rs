use super::{CHANGE, exceeds, tell};
use async_graphql::InputObject;
use entities::{
    loading::{self, Beside},
    ownership::{self, Ownership, OwnershipCapacity},
    property::{self, PropertyId},
};
use garde::Validate;
use schema::{Allowed, Change, Code, Constraint, Context, Date, Error, Kind, PrincipalId, Procedure, Result, valid, violates};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwnershipRecordInput {
    #[garde(skip)]
    pub property_id: PropertyId,
    #[garde(custom(valid::text(200)))]
    pub holder_name: String,
    /// The holder, if they have an account.
    #[garde(skip)]
    pub principal_id: Option<PrincipalId>,
    #[garde(skip)]
    pub capacity: OwnershipCapacity,
    /// Hundredths of a percent: 10000 is the whole. A trustee or manager may have none.
    #[garde(custom(valid::basis_points))]
    pub share_basis_points: i32,
    /// The first day.
    #[garde(skip)]
    pub starts_on: Date,
    /// The first day on which it no longer is.
    #[garde(skip)]
    pub ends_on: Option<Date>,
    /// Such as deed and number.
    #[garde(custom(valid::text(10_000)))]
    pub evidence: Option<String>,
}

pub struct Record;

impl Procedure for Record {
    const NAME: &'static str = "ownership/v1/record";
    const ABOUT: &'static str = "Records who owns a property, by what share, from when on.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[Code::OwnershipExceedsWhole];
    type Input = OwnershipRecordInput;
    type Output = Ownership;
    type Subject = Beside<property::Model>;

    fn example() -> OwnershipRecordInput {
        OwnershipRecordInput {
            property_id: PropertyId(uuid::uuid!("01920000-0000-7000-8000-0000000000a2")),
            holder_name: "Ines Alvarez, trustee".into(),
            principal_id: None,
            capacity: OwnershipCapacity::Trustee,
            share_basis_points: 5_000,
            starts_on: Date::parse("2019-04-01").unwrap_or(Date(Default::default())),
            ends_on: None,
            evidence: Some("Deed 2019-0401872, Pima County".into()),
        }
    }

    async fn subject(cx: &Context, input: &OwnershipRecordInput) -> Result<Self::Subject> {
        let property = loading::one(cx, property::by_id(cx.owner(), input.property_id)).await?;
        Ok(property.with(ownership::KIND, serde_json::json!({ "capacity": input.capacity.as_str() })))
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: OwnershipRecordInput) -> Result<Ownership> {
        let OwnershipRecordInput {
            property_id,
            holder_name,
            principal_id,
            capacity,
            share_basis_points,
            starts_on,
            ends_on,
            evidence,
        } = input;
        if ends_on.is_some_and(|ends| ends <= starts_on) {
            return Err(Error::new(Code::InvalidInput).field("endsOn", "TOO_EARLY", "must be later than startsOn"));
        }
        let property = allowed.into_subject().into_row();
        let row = ownership::ActiveModel {
            organization_id: Set(cx.owner()),
            id: Set(cx.new_id()),
            property_id: Set(property_id),
            holder_name: Set(holder_name),
            principal_id: Set(principal_id),
            capacity: Set(capacity),
            share_basis_points: Set(share_basis_points),
            starts_on: Set(starts_on),
            ends_on: Set(ends_on),
            evidence: Set(evidence),
            recorded_by: Set(cx.actor.principal),
            corrects_id: Set(None),
            corrected_at: Set(None),
            correction_reason: Set(None),
            end_reason: Set(None),
            version: Set(1),
            created_at: Set(cx.now().into()),
            updated_at: Set(cx.now().into()),
        };
        let row = match row.insert(cx.tx().await?).await {
            Err(error) if violates(&error, "ownership_principal_id_fkey") => {
                return Err(Error::new(Code::InvalidInput).field("principalId", "NOT_FOUND", "there is no such principal"));
            }
            inserted => inserted.taken("ownership_whole", exceeds)?,
        };
        tell(cx, "ownership.recorded", &row, &property, Change::default());
        Ok(row)
    }
}
