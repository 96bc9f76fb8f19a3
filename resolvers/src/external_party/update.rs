use super::{CHANGE, event, in_use};
use async_graphql::{InputObject, MaybeUndefined};
use entities::{
    external_party::{self, ExternalParty, ExternalPartyId},
    loading::{self, Seen, expect_version},
};
use garde::Validate;
use schema::{Allowed, Change, Code, Context, Kind, Procedure, Result, valid};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde::{Deserialize, Serialize};

/// What is absent stays as it is; null clears what can be cleared. What kind of party it is stays: properties
/// refer to it as that.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalPartyUpdateInput {
    #[garde(skip)]
    pub id: ExternalPartyId,
    /// The version that was read.
    #[garde(custom(valid::version))]
    pub version: i32,
    #[garde(custom(valid::text(200)))]
    #[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[garde(custom(valid::email))]
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schemars(with = "Option<String>")]
    pub email: MaybeUndefined<String>,
    #[garde(custom(valid::text(50)))]
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schemars(with = "Option<String>")]
    pub phone: MaybeUndefined<String>,
    #[garde(custom(valid::website))]
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schemars(with = "Option<String>")]
    pub website: MaybeUndefined<String>,
    #[garde(custom(valid::text(10_000)))]
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schemars(with = "Option<String>")]
    pub notes: MaybeUndefined<String>,
}

pub struct Update;

impl Procedure for Update {
    const NAME: &'static str = "externalParty/v1/update";
    const ABOUT: &'static str = "Changes what is known about an outside party.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[Code::VersionConflict, Code::ExternalPartyArchived];
    type Input = ExternalPartyUpdateInput;
    type Output = ExternalParty;
    type Subject = Seen<external_party::Model>;

    fn example() -> ExternalPartyUpdateInput {
        ExternalPartyUpdateInput {
            id: ExternalPartyId(uuid::uuid!("01920000-0000-7000-8000-0000000000b1")),
            version: 1,
            name: None,
            email: MaybeUndefined::Undefined,
            phone: MaybeUndefined::Value("+1 520 555 0101".into()),
            website: MaybeUndefined::Undefined,
            notes: MaybeUndefined::Undefined,
        }
    }

    async fn subject(cx: &Context, input: &ExternalPartyUpdateInput) -> Result<Self::Subject> {
        loading::one(cx, external_party::by_id(cx.owner(), input.id)).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: ExternalPartyUpdateInput) -> Result<ExternalParty> {
        let ExternalPartyUpdateInput { id: _, version, name, email, phone, website, notes } = input;
        let row = allowed.into_subject().row;
        expect_version(row.version, version)?;
        in_use(&row)?;
        let mut fields = Vec::new();
        let version = row.version + 1;
        let mut row = row.into_active_model();
        if let Some(name) = name {
            row.name = Set(name);
            fields.push("name");
        }
        if !email.is_undefined() {
            row.email = Set(email.take());
            fields.push("email");
        }
        if !phone.is_undefined() {
            row.phone = Set(phone.take());
            fields.push("phone");
        }
        if !website.is_undefined() {
            row.website = Set(website.take());
            fields.push("website");
        }
        if !notes.is_undefined() {
            row.notes = Set(notes.take());
            fields.push("notes");
        }
        row.version = Set(version);
        row.updated_at = Set(cx.now());
        let row = row.update(cx.tx().await?).await?;
        cx.changed(event("external_party.updated", &row, Change::fields(&fields)));
        Ok(row.into())
    }
}
