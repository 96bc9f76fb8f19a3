use super::CHANGE;
use crate::membership::governs;
use async_graphql::InputObject;
use entities::{
    membership::{self, Membership, MembershipState},
    principal,
};
use garde::Validate;
use schema::{
    Allowed, Change, Code, Context, Error, Kind, New, NewEvent, PrincipalId, Procedure, Result, Role, text_enum, valid,
};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use serde::{Deserialize, Serialize};

text_enum!(
    /// What an administrator can register. People sign in.
    RegisteredKind { Agent = "AGENT", Service = "SERVICE" }
);

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrincipalRegisterInput {
    #[garde(skip)]
    pub kind: RegisteredKind,
    /// The `sub` of its tokens, which the issuer of agents and services signs.
    #[garde(custom(valid::text(60)))]
    pub subject: String,
    #[garde(custom(valid::text(200)))]
    pub display_name: String,
    /// As what it may act here. An agent recommends, whatever its role.
    #[garde(skip)]
    pub role: Role,
    /// Why: kept for good.
    #[garde(custom(valid::text(1_000)))]
    pub reason: Option<String>,
}

pub struct Register;

impl Procedure for Register {
    const NAME: &'static str = "principal/v1/register";
    const ABOUT: &'static str = "Lets an agent or a service act for the organization in a role.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const CHANGES_RIGHTS: bool = true;
    const ERRORS: &'static [Code] = &[Code::PrincipalTaken];
    type Input = PrincipalRegisterInput;
    type Output = Membership;
    type Subject = New;

    fn example() -> PrincipalRegisterInput {
        PrincipalRegisterInput {
            kind: RegisteredKind::Agent,
            subject: "case-summarizer".into(),
            display_name: "Case summarizer".into(),
            role: Role::ConciergeStaff,
            reason: Some("Drafts summaries for the desk".into()),
        }
    }

    async fn subject(cx: &Context, input: &PrincipalRegisterInput) -> Result<New> {
        let attributes = serde_json::json!({ "kind": input.kind.as_str(), "role": input.role.as_str() });
        Ok(New::of(cx, "principal", attributes))
    }

    async fn handle(cx: &Context, _: Allowed<New>, input: PrincipalRegisterInput) -> Result<Membership> {
        let PrincipalRegisterInput { kind, subject, display_name, role, reason } = input;
        if kind == RegisteredKind::Agent && governs(role) {
            return Err(Error::new(Code::InvalidInput).field("role", "NOT_FOR_AGENTS", "an agent governs nothing"));
        }
        let tx = cx.tx().await?;
        let id: PrincipalId = cx.new_id();
        if !principal::register(tx, id, kind.as_str(), cx.service_issuer(), &subject, &display_name, cx.now()).await? {
            return Err(Error::new(Code::PrincipalTaken));
        }
        let row = membership::ActiveModel {
            organization_id: Set(cx.organization()),
            id: Set(cx.new_id()),
            principal_id: Set(Some(id)),
            email: Set(None),
            role: Set(role),
            state: Set(MembershipState::Active),
            starts_at: Set(cx.now()),
            ends_at: Set(None),
            invited_by: Set(cx.actor.principal),
            reason: Set(reason),
            accepted_at: Set(Some(cx.now())),
            ended_at: Set(None),
            ended_by: Set(None),
            end_reason: Set(None),
            version: Set(1),
            created_at: Set(cx.now()),
            updated_at: Set(cx.now()),
        };
        let row = row.insert(tx).await?;
        cx.changed(NewEvent {
            organization: row.organization_id,
            kind: "principal.registered",
            resource_kind: membership::KIND,
            resource_id: row.id.0,
            version: row.version,
            change: Change::default().id("principalId", id.0),
        });
        Ok(row.into())
    }
}
