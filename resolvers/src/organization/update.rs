use super::CHANGE;
use async_graphql::InputObject;
use entities::{
    loading::{self, Seen, expect_version},
    organization::{self, Organization},
};
use garde::Validate;
use schema::{Allowed, Change, Code, Context, Error, Kind, NewEvent, OrganizationId, Procedure, Result, valid};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde::{Deserialize, Serialize};

/// What is absent stays as it is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrganizationUpdateInput {
    #[garde(skip)]
    pub id: OrganizationId,
    /// The version that was read.
    #[garde(custom(valid::version))]
    pub version: i32,
    #[garde(custom(valid::text(200)))]
    #[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

pub struct Update;

impl Procedure for Update {
    const NAME: &'static str = "organization/v1/update";
    const ABOUT: &'static str = "Changes the acting organization.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[Code::VersionConflict];
    type Input = OrganizationUpdateInput;
    type Output = Organization;
    type Subject = Seen<organization::Model>;

    fn example() -> OrganizationUpdateInput {
        OrganizationUpdateInput {
            id: OrganizationId(uuid::uuid!("01920000-0000-7000-8000-0000000000f1")),
            version: 1,
            name: Some("Alvarez Family Trust of 2019".into()),
        }
    }

    async fn subject(cx: &Context, input: &OrganizationUpdateInput) -> Result<Self::Subject> {
        if input.id != cx.owner() {
            return Err(Error::new(Code::NotFound));
        }
        loading::one(cx, organization::of(input.id)).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: OrganizationUpdateInput) -> Result<Organization> {
        let OrganizationUpdateInput { id: _, version, name } = input;
        let row = allowed.into_subject().row;
        expect_version(row.version, version)?;
        let version = row.version + 1;
        let mut fields = Vec::new();
        let mut row = row.into_active_model();
        if let Some(name) = name {
            row.name = Set(name);
            fields.push("name");
        }
        row.version = Set(version);
        row.updated_at = Set(cx.now());
        let row = row.update(cx.tx().await?).await?;
        cx.changed(NewEvent {
            organization: row.id,
            kind: "organization.updated",
            resource_kind: organization::KIND,
            resource_id: row.id.0,
            version: row.version,
            change: Change::fields(&fields),
        });
        Ok(row.into())
    }
}
