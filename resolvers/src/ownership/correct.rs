use super::{CHANGE, exceeds, property_of, stands, tell};
use async_graphql::{InputObject, MaybeUndefined};
use entities::{
    loading::{self, Seen, event, expect_version},
    ownership::{self, Ownership, OwnershipCapacity, OwnershipId},
};
use garde::Validate;
use schema::{Allowed, Change, Code, Constraint, Context, Date, Error, Kind, Procedure, Result, valid};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde::{Deserialize, Serialize};

/// What is absent is taken over; null clears what can be cleared.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwnershipCorrectInput {
    /// The record that is wrong.
    #[garde(skip)]
    pub id: OwnershipId,
    /// The version that was read.
    #[garde(custom(valid::version))]
    pub version: i32,
    /// What was wrong: kept for good.
    #[garde(custom(valid::text(1_000)))]
    pub reason: String,
    #[garde(custom(valid::text(200)))]
    #[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]
    pub holder_name: Option<String>,
    #[garde(skip)]
    #[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]
    pub capacity: Option<OwnershipCapacity>,
    #[garde(custom(valid::basis_points))]
    #[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]
    pub share_basis_points: Option<i32>,
    #[garde(skip)]
    #[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]
    pub starts_on: Option<Date>,
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schemars(with = "Option<Date>")]
    pub ends_on: MaybeUndefined<Date>,
    #[garde(custom(valid::text(10_000)))]
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schemars(with = "Option<String>")]
    pub evidence: MaybeUndefined<String>,
}

pub struct Correct;

impl Procedure for Correct {
    const NAME: &'static str = "ownership/v1/correct";
    const ABOUT: &'static str = "Puts another record in the place of one that is wrong, which stays and says so.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[Code::VersionConflict, Code::OwnershipCorrected, Code::OwnershipExceedsWhole];
    type Input = OwnershipCorrectInput;
    type Output = Ownership;
    type Subject = Seen<ownership::Model>;

    fn example() -> OwnershipCorrectInput {
        OwnershipCorrectInput {
            id: OwnershipId(uuid::uuid!("01920000-0000-7000-8000-000000000031")),
            version: 1,
            reason: "The deed says 60 percent".into(),
            holder_name: None,
            capacity: None,
            share_basis_points: Some(6_000),
            starts_on: None,
            ends_on: MaybeUndefined::Undefined,
            evidence: MaybeUndefined::Undefined,
        }
    }

    async fn subject(cx: &Context, input: &OwnershipCorrectInput) -> Result<Self::Subject> {
        loading::one(cx, ownership::by_id(cx.owner(), input.id)).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: OwnershipCorrectInput) -> Result<Ownership> {
        let OwnershipCorrectInput {
            id: _,
            version,
            reason,
            holder_name,
            capacity,
            share_basis_points,
            starts_on,
            ends_on,
            evidence,
        } = input;
        let wrong = allowed.into_subject().row;
        expect_version(wrong.version, version)?;
        stands(&wrong)?;
        let right = ownership::Model {
            id: cx.new_id(),
            holder_name: holder_name.unwrap_or_else(|| wrong.holder_name.clone()),
            capacity: capacity.unwrap_or(wrong.capacity),
            share_basis_points: share_basis_points.unwrap_or(wrong.share_basis_points),
            starts_on: starts_on.unwrap_or(wrong.starts_on),
            ends_on: if ends_on.is_undefined() { wrong.ends_on } else { ends_on.take() },
            evidence: if evidence.is_undefined() { wrong.evidence.clone() } else { evidence.take() },
            recorded_by: cx.actor.principal,
            corrects_id: Some(wrong.id),
            version: 1,
            created_at: cx.now().into(),
            updated_at: cx.now().into(),
            ..wrong.clone()
        };
        if right.ends_on.is_some_and(|ends| ends <= right.starts_on) {
            return Err(Error::new(Code::InvalidInput).field("endsOn", "TOO_EARLY", "must be later than startsOn"));
        }
        let tx = cx.tx().await?;
        let property = property_of(cx, wrong.property_id).await?;
        let mut wrong = wrong.into_active_model();
        wrong.corrected_at = Set(Some(cx.now().into()));
        wrong.correction_reason = Set(Some(reason));
        wrong.version = Set(version + 1);
        wrong.updated_at = Set(cx.now().into());
        let wrong = wrong.update(tx).await?;
        let right = right.into_active_model().reset_all().insert(tx).await.taken("ownership_whole", exceeds)?;
        cx.changed(event("ownership.corrected", &wrong, Change::fields(&["correctedAt"]).id("correctedById", Some(right.id.0))));
        tell(cx, "ownership.recorded", &right, &property, Change::default().id("correctsId", Some(wrong.id.0)));
        Ok(right)
    }
}
