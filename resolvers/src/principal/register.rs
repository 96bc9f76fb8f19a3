use super::{CHANGE, PRINCIPAL_TAKEN};
use crate::{membership::manages_members, prelude::*};
use entities::{
    membership::{Fresh, Membership, MembershipState},
    principal,
};
use kind::Fresh as _;
use schema::{Judged, NewEvent, Resource, Role, Subject, quota::MACHINES, relation, text_enum};
use sea_orm::{ActiveModelTrait, IntoActiveModel};
use uuid::Uuid;

text_enum!(
    /// What an administrator can register. People sign in.
    RegisteredKind { Agent = "AGENT", Service = "SERVICE" }
);

#[input]
pub struct PrincipalRegisterInput {
    pub kind: RegisteredKind,
    /// The `sub` of its tokens, which the issuer of agents and services signs.
    #[text(60)]
    pub subject: String,
    #[text(200)]
    pub display_name: String,
    /// As what it may act here. An agent recommends, whatever its role.
    pub role: Role,
    /// Why: kept for good.
    #[text(1_000)]
    pub reason: Option<String>,
}

/// An agent or a service before it is registered, with its role here.
pub struct Registered {
    input: PrincipalRegisterInput,
    relation: &'static str,
}

impl Subject for Registered {
    fn judged(&self) -> Judged {
        let PrincipalRegisterInput { kind, role, .. } = &self.input;
        let attributes = serde_json::json!({ "relation": self.relation, "kind": kind.as_str(), "role": role.as_str() });
        Judged::One(Resource { kind: "principal", id: Uuid::nil(), attributes, version: None })
    }
}

pub struct Register;

impl Procedure for Register {
    const NAME: &'static str = "principal/v1/register";
    const ABOUT: &'static str = "Lets an agent or a service act for the organization in a role.";
    const RUNS: Runs = CHANGE;
    const CHANGES_RIGHTS: bool = true;
    const ERRORS: &'static [Code] = &[PRINCIPAL_TAKEN];
    type Input = PrincipalRegisterInput;
    type Output = Membership;
    type Subject = Registered;

    fn example() -> PrincipalRegisterInput {
        PrincipalRegisterInput {
            kind: RegisteredKind::Agent,
            subject: "case-summarizer".into(),
            display_name: "Case summarizer".into(),
            role: Role::ConciergeStaff,
            reason: Some("Drafts summaries for the desk".into()),
        }
    }

    async fn subject(cx: &Context, input: &PrincipalRegisterInput) -> Result<Registered> {
        Ok(Registered { input: input.clone(), relation: relation(cx.owner(), cx.organization()) })
    }

    async fn handle(cx: &Context, allowed: Allowed<Registered>, _: PrincipalRegisterInput) -> Result<Membership> {
        let PrincipalRegisterInput { kind, subject, display_name, role, reason } = allowed.into_subject().input;
        if kind == RegisteredKind::Agent && manages_members(role) {
            return Err(Error::invalid("role", "NOT_FOR_AGENTS", "an agent governs nothing"));
        }
        let (tx, now) = (cx.tx().await?, Time::from(cx.now()));
        MACHINES.ensure(principal::machines(tx, MACHINES.most).await?)?;
        let id: PrincipalId = cx.new_id();
        if !principal::register(tx, id, kind.as_str(), cx.service_issuer(), &subject, &display_name, now.0).await? {
            return Err(Error::new(PRINCIPAL_TAKEN));
        }
        let fresh = Fresh {
            principal_id: Some(id),
            email: None,
            role,
            state: MembershipState::Active,
            starts_at: now,
            ends_at: None,
            answer_by: None,
            invited_by: cx.actor.principal,
            reason,
            accepted_at: Some(now),
            ended_at: None,
            ended_by: None,
            end_reason: None,
        };
        let row = fresh.row(cx.new_id(), cx.organization(), now).into_active_model().reset_all().insert(tx).await?;
        cx.changed(NewEvent { kind: "principal.registered".into(), ..kind::event("registered", &row, Change::default()) });
        Ok(row)
    }
}
