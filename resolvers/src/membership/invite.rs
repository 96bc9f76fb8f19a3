use super::{CHANGE, MEMBERSHIP_EXISTS};
use crate::{answer_by, prelude::*};
use entities::{
    membership::{self, Fresh, Membership, MembershipState},
    principal,
};
use schema::{
    Role,
    quota::{INVITATIONS, INVITATIONS_TO_ONE},
};

/// Name the person by e-mail address or, if you know it, by principal id.
#[input(one_of(email, principal_id))]
pub struct MembershipInviteInput {
    #[email]
    pub email: Option<String>,
    pub principal_id: Option<PrincipalId>,
    pub role: Role,
    /// From when it counts; from acceptance on if absent.
    pub starts_at: Option<Time>,
    /// When it ends by itself, accepted or not.
    pub ends_at: Option<Time>,
    /// Why it is given: kept for good.
    #[text(1_000)]
    pub reason: Option<String>,
}

pub struct Invite;

impl Procedure for Invite {
    const NAME: &'static str = "membership/v1/invite";
    const ABOUT: &'static str = "Invites a person to act for the organization in a role. Nobody's answer within 30 days ends it.";
    const RUNS: Runs = CHANGE;
    const CHANGES_RIGHTS: bool = true;
    const ERRORS: &'static [Code] = &[MEMBERSHIP_EXISTS];
    type Input = MembershipInviteInput;
    type Output = Membership;
    type Subject = New<Fresh>;

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

    async fn subject(cx: &Context, input: &MembershipInviteInput) -> Result<New<Fresh>> {
        let MembershipInviteInput { email, principal_id, role, starts_at, ends_at, reason } = input.clone();
        // The gateway itself is a member nowhere.
        let principal_id = principal_id.map(|id| if id == principal::SYSTEM { PrincipalId::NOBODY } else { id });
        let fresh = Fresh {
            principal_id,
            email,
            role,
            state: MembershipState::Invited,
            starts_at: starts_at.unwrap_or(cx.now().into()),
            ends_at,
            answer_by: Some(answer_by(cx)),
            invited_by: cx.actor.principal,
            reason,
            accepted_at: None,
            ended_at: None,
            ended_by: None,
            end_reason: None,
        };
        Ok(New::of(cx, fresh))
    }

    async fn handle(cx: &Context, allowed: Allowed<New<Fresh>>, _: MembershipInviteInput) -> Result<Membership> {
        let fresh = allowed.subject().fresh();
        Term::of(fresh.starts_at, fresh.ends_at).ensure_ahead(cx.now().into())?;
        let tx = cx.tx().await?;
        let open = "SELECT FROM membership WHERE organization_id = $1 AND state = 'INVITED'";
        INVITATIONS.ensure_rows(tx, cx.organization(), open, []).await?;
        let (email, principal) = (fresh.email.as_deref(), fresh.principal_id);
        INVITATIONS_TO_ONE
            .ensure(membership::invitations_open(tx, email, principal, fresh.invited_by, INVITATIONS_TO_ONE.most).await?)?;
        let unknown = || Error::invalid("principalId", "NOT_FOUND", "there is no such principal");
        let exists = || Error::new(MEMBERSHIP_EXISTS);
        let invited = cx.create_as(allowed, "invited").await.taken("membership_principal_id_fkey", unknown);
        invited.taken("membership_principal_role", exists).taken("membership_email_role", exists)
    }
}
