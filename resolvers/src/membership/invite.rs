use super::{CHANGE, event};
use async_graphql::InputObject;
use entities::membership::{self, Membership, MembershipState};
use garde::Validate;
use schema::{Allowed, Change, Code, Constraint, Context, Error, Kind, New, PrincipalId, Procedure, Result, Role, Time, valid};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use serde::{Deserialize, Serialize};

/// Name the person by e-mail address or, if you know it, by principal id.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MembershipInviteInput {
    #[garde(custom(valid::email))]
    pub email: Option<String>,
    #[garde(skip)]
    pub principal_id: Option<PrincipalId>,
    #[garde(skip)]
    pub role: Role,
    /// From when it counts; from acceptance on if absent.
    #[garde(skip)]
    pub starts_at: Option<Time>,
    /// When it ends by itself, accepted or not.
    #[garde(skip)]
    pub ends_at: Option<Time>,
    /// Why it is given: kept for good.
    #[garde(custom(valid::text(1_000)))]
    pub reason: Option<String>,
}

pub struct Invite;

impl Procedure for Invite {
    const NAME: &'static str = "membership/v1/invite";
    const ABOUT: &'static str = "Invites a person to act for the organization in a role.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const CHANGES_RIGHTS: bool = true;
    const ERRORS: &'static [Code] = &[Code::MembershipExists];
    type Input = MembershipInviteInput;
    type Output = Membership;
    type Subject = New;

    fn example() -> MembershipInviteInput {
        MembershipInviteInput {
            email: Some("ines.alvarez@example.com".into()),
            principal_id: None,
            role: Role::Trustee,
            starts_at: None,
            ends_at: None,
            reason: Some("Second trustee by the trust deed of 2019".into()),
        }
    }

    async fn subject(cx: &Context, input: &MembershipInviteInput) -> Result<New> {
        let attributes = serde_json::json!({ "role": input.role.as_str() });
        Ok(New::of(cx, membership::KIND, attributes))
    }

    async fn handle(cx: &Context, _: Allowed<New>, input: MembershipInviteInput) -> Result<Membership> {
        let MembershipInviteInput { email, principal_id, role, starts_at, ends_at, reason } = input;
        let refuse = |field: &str, code: &str, message: &str| Err(Error::new(Code::InvalidInput).field(field, code, message));
        if email.is_some() == principal_id.is_some() {
            return refuse("email", "EXACTLY_ONE", "give either email or principalId");
        }
        let starts_at = starts_at.map_or(cx.now(), |time| time.0);
        let ends_at = ends_at.map(|time| time.0);
        if ends_at.is_some_and(|ends| ends <= starts_at.max(cx.now())) {
            return refuse("endsAt", "TOO_EARLY", "must be later than now and than startsAt");
        }
        let row = membership::ActiveModel {
            organization_id: Set(cx.organization()),
            id: Set(cx.new_id()),
            principal_id: Set(principal_id),
            email: Set(email),
            role: Set(role),
            state: Set(MembershipState::Invited),
            starts_at: Set(starts_at),
            ends_at: Set(ends_at),
            invited_by: Set(cx.actor.principal),
            reason: Set(reason),
            accepted_at: Set(None),
            ended_at: Set(None),
            ended_by: Set(None),
            end_reason: Set(None),
            version: Set(1),
            created_at: Set(cx.now()),
            updated_at: Set(cx.now()),
        };
        let row = match row.insert(cx.tx().await?).await {
            Err(error) if schema::violates(&error, "membership_principal_id_fkey") => {
                return refuse("principalId", "NOT_FOUND", "there is no such principal");
            }
            inserted if principal_id.is_some() => {
                inserted.taken("membership_principal_role", || Error::new(Code::MembershipExists))?
            }
            inserted => inserted.taken("membership_email_role", || Error::new(Code::MembershipExists))?,
        };
        cx.changed(event("membership.invited", &row, Change::default()));
        Ok(row.into())
    }
}
