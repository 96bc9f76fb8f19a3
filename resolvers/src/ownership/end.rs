use super::{CHANGE, property_of, stands, tell};
use async_graphql::InputObject;
use entities::{
    loading::{self, Seen, expect_version},
    ownership::{self, Ownership, OwnershipId},
};
use garde::Validate;
use schema::{Allowed, Change, Code, Context, Date, Error, Kind, Procedure, Result, valid};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwnershipEndInput {
    #[garde(skip)]
    pub id: OwnershipId,
    /// The version that was read.
    #[garde(custom(valid::version))]
    pub version: i32,
    /// The first day on which it no longer is.
    #[garde(skip)]
    pub ends_on: Date,
    /// Such as sold, or left to someone: kept for good.
    #[garde(custom(valid::text(1_000)))]
    pub reason: Option<String>,
}

pub struct End;

impl Procedure for End {
    const NAME: &'static str = "ownership/v1/end";
    const ABOUT: &'static str = "Records from which day on someone no longer owns a property.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[Code::VersionConflict, Code::OwnershipCorrected, Code::OwnershipEnded];
    type Input = OwnershipEndInput;
    type Output = Ownership;
    type Subject = Seen<ownership::Model>;

    fn example() -> OwnershipEndInput {
        OwnershipEndInput {
            id: OwnershipId(uuid::uuid!("01920000-0000-7000-8000-000000000031")),
            version: 1,
            ends_on: Date::parse("2026-06-01").unwrap_or(Date(Default::default())),
            reason: Some("Sold".into()),
        }
    }

    async fn subject(cx: &Context, input: &OwnershipEndInput) -> Result<Self::Subject> {
        loading::one(cx, ownership::by_id(cx.owner(), input.id)).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: OwnershipEndInput) -> Result<Ownership> {
        let OwnershipEndInput { id: _, version, ends_on, reason } = input;
        let row = allowed.into_subject().row;
        expect_version(row.version, version)?;
        stands(&row)?;
        if row.ends_on.is_some() {
            return Err(Error::new(Code::OwnershipEnded));
        }
        if ends_on <= row.starts_on {
            return Err(Error::new(Code::InvalidInput).field("endsOn", "TOO_EARLY", "must be later than startsOn"));
        }
        let property = property_of(cx, row.property_id).await?;
        let version = row.version + 1;
        let mut row = row.into_active_model();
        row.ends_on = Set(Some(ends_on));
        row.end_reason = Set(reason);
        row.version = Set(version);
        row.updated_at = Set(cx.now().into());
        let row = row.update(cx.tx().await?).await?;
        tell(cx, "ownership.ended", &row, &property, Change::fields(&["endsOn"]));
        Ok(row)
    }
}
