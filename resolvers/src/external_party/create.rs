use super::{CHANGE, event};
use async_graphql::InputObject;
use entities::external_party::{self, ExternalParty, ExternalPartyKind, ExternalPartyStatus};
use garde::Validate;
use schema::{Allowed, Change, Code, Context, Kind, New, Procedure, Result, valid};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalPartyCreateInput {
    #[garde(skip)]
    pub kind: ExternalPartyKind,
    #[garde(custom(valid::text(200)))]
    pub name: String,
    #[garde(custom(valid::email))]
    pub email: Option<String>,
    #[garde(custom(valid::text(50)))]
    pub phone: Option<String>,
    #[garde(custom(valid::website))]
    pub website: Option<String>,
    #[garde(custom(valid::text(10_000)))]
    pub notes: Option<String>,
}

pub struct Create;

impl Procedure for Create {
    const NAME: &'static str = "externalParty/v1/create";
    const ABOUT: &'static str = "Notes an HOA or a vendor that the organization deals with.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[];
    type Input = ExternalPartyCreateInput;
    type Output = ExternalParty;
    type Subject = New;

    fn example() -> ExternalPartyCreateInput {
        ExternalPartyCreateInput {
            kind: ExternalPartyKind::Hoa,
            name: "Saguaro Ridge Homeowners Association".into(),
            email: Some("office@saguaro-ridge.example".into()),
            phone: Some("+1 520 555 0100".into()),
            website: None,
            notes: None,
        }
    }

    async fn subject(cx: &Context, input: &ExternalPartyCreateInput) -> Result<New> {
        let attributes = serde_json::json!({ "kind": input.kind.as_str(), "status": "ACTIVE" });
        Ok(New::of(cx, external_party::KIND, attributes))
    }

    async fn handle(cx: &Context, _: Allowed<New>, input: ExternalPartyCreateInput) -> Result<ExternalParty> {
        let ExternalPartyCreateInput { kind, name, email, phone, website, notes } = input;
        let row = external_party::ActiveModel {
            organization_id: Set(cx.owner()),
            id: Set(cx.new_id()),
            kind: Set(kind),
            name: Set(name),
            email: Set(email),
            phone: Set(phone),
            website: Set(website),
            notes: Set(notes),
            linked_organization_id: Set(None),
            status: Set(ExternalPartyStatus::Active),
            version: Set(1),
            created_at: Set(cx.now()),
            updated_at: Set(cx.now()),
        };
        let row = row.insert(cx.tx().await?).await?;
        cx.changed(event("external_party.created", &row, Change::default()));
        Ok(row.into())
    }
}
