use super::{CHANGE, event};
use async_graphql::InputObject;
use entities::{
    external_party::{self, ExternalParty, ExternalPartyId, ExternalPartyStatus},
    loading::{self, Seen, expect_version},
};
use garde::Validate;
use schema::{Allowed, Change, Code, Context, Error, Kind, Procedure, Result, valid};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalPartyArchiveInput {
    #[garde(skip)]
    pub id: ExternalPartyId,
    /// The version that was read.
    #[garde(custom(valid::version))]
    pub version: i32,
}

pub struct Archive;

impl Procedure for Archive {
    const NAME: &'static str = "externalParty/v1/archive";
    const ABOUT: &'static str = "Puts an outside party aside. Properties that name it keep it.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[Code::VersionConflict, Code::ExternalPartyArchived];
    type Input = ExternalPartyArchiveInput;
    type Output = ExternalParty;
    type Subject = Seen<external_party::Model>;

    fn example() -> ExternalPartyArchiveInput {
        ExternalPartyArchiveInput { id: ExternalPartyId(uuid::uuid!("01920000-0000-7000-8000-0000000000b1")), version: 1 }
    }

    async fn subject(cx: &Context, input: &ExternalPartyArchiveInput) -> Result<Self::Subject> {
        loading::one(cx, external_party::by_id(cx.owner(), input.id)).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: ExternalPartyArchiveInput) -> Result<ExternalParty> {
        let ExternalPartyArchiveInput { id: _, version } = input;
        let row = allowed.into_subject().row;
        expect_version(row.version, version)?;
        if row.status == ExternalPartyStatus::Archived {
            return Err(Error::new(Code::ExternalPartyArchived));
        }
        let version = row.version + 1;
        let mut row = row.into_active_model();
        row.status = Set(ExternalPartyStatus::Archived);
        row.version = Set(version);
        row.updated_at = Set(cx.now());
        let row = row.update(cx.tx().await?).await?;
        cx.changed(event("external_party.archived", &row, Change::fields(&["status"])));
        Ok(row.into())
    }
}
