use super::CHANGE;
use async_graphql::InputObject;
use entities::organization::{self, Organization, OrganizationType};
use garde::Validate;
use schema::{Allowed, Change, Code, Context, Kind, New, NewEvent, Procedure, Result, Scope, valid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrganizationCreateInput {
    #[garde(skip)]
    pub r#type: OrganizationType,
    #[garde(custom(valid::text(200)))]
    pub name: String,
}

pub struct Create;

impl Procedure for Create {
    const NAME: &'static str = "organization/v1/create";
    const ABOUT: &'static str = "Founds an organization. Its founder becomes its owner, or its administrator where nobody owns it. Needs no acting organization.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[];
    const SCOPE: Scope = Scope::Principal;
    type Input = OrganizationCreateInput;
    type Output = Organization;
    type Subject = New;

    fn example() -> OrganizationCreateInput {
        OrganizationCreateInput { r#type: OrganizationType::TrustOrLlc, name: "Alvarez Family Trust".into() }
    }

    async fn subject(cx: &Context, input: &OrganizationCreateInput) -> Result<New> {
        let attributes = serde_json::json!({ "type": input.r#type.as_str() });
        Ok(New::of(cx, organization::KIND, attributes))
    }

    async fn handle(cx: &Context, _: Allowed<New>, input: OrganizationCreateInput) -> Result<Organization> {
        let OrganizationCreateInput { r#type, name } = input;
        let (id, membership): (_, uuid::Uuid) = (cx.new_id(), cx.new_id());
        let created = organization::create(cx.tx().await?, id, r#type, &name, membership, cx.now()).await?;
        let change = Change::default().id("founder", cx.actor.principal.0).id("membershipId", membership);
        cx.changed(NewEvent {
            organization: id,
            kind: "organization.created",
            resource_kind: organization::KIND,
            resource_id: id.0,
            version: created.version,
            change,
        });
        Ok(created)
    }
}
