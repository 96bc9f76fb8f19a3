use super::{CHANGE, MEMBERSHIP_EXISTS, MEMBERSHIP_NOT_PENDING};
use crate::prelude::*;
use entities::membership::{self, Membership, MembershipId, MembershipState};
use schema::{Judged, Resource, Scope, Subject};

#[input]
pub struct MembershipAcceptInput {
    /// From `viewer { invitations }`.
    pub id: MembershipId,
}

pub struct Accept;

/// An invitation, as its addressee sees it.
pub struct Invitation {
    pub row: Membership,
    addressee: PrincipalId,
}

impl Invitation {
    pub async fn find(cx: &Context, id: MembershipId) -> Result<Self> {
        let row = membership::invitation(cx.tx().await?, id).await?;
        let row = row.ok_or_else(|| Error::new(Code::NOT_FOUND))?;
        Ok(Invitation { row, addressee: cx.actor.principal })
    }
}

impl Subject for Invitation {
    fn judged(&self) -> Judged {
        let attributes =
            serde_json::json!({ "relation": "ENGAGED", "role": self.row.role.as_str(), "principal": self.addressee });
        Judged::One(Resource { kind: membership::KIND, id: self.row.id.0, attributes, version: Some(self.row.version) })
    }
}

impl Procedure for Accept {
    const NAME: &'static str = "membership/v1/accept";
    const ABOUT: &'static str = "Accepts an invitation that is addressed to you. Needs no acting organization.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[MEMBERSHIP_NOT_PENDING, MEMBERSHIP_EXISTS];
    const SCOPE: Scope = Scope::Principal;
    type Input = MembershipAcceptInput;
    type Output = Membership;
    type Subject = Invitation;

    fn example() -> MembershipAcceptInput {
        MembershipAcceptInput { id: MembershipId::INVITED_EXAMPLE }
    }

    async fn subject(cx: &Context, input: &MembershipAcceptInput) -> Result<Invitation> {
        Invitation::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Invitation>, _: MembershipAcceptInput) -> Result<Membership> {
        let invitation = allowed.into_subject().row;
        invitation.state.to(MembershipState::Active).map_err(|_| Error::new(MEMBERSHIP_NOT_PENDING))?;
        let accepted = membership::accept(cx.tx().await?, invitation.id, cx.now()).await;
        let row = accepted.taken("membership_principal_role", || Error::new(MEMBERSHIP_EXISTS))?;
        let row = row.ok_or_else(|| Error::new(MEMBERSHIP_NOT_PENDING))?;
        cx.changed(kind::event("accepted", &row, Change::fields(&["state"])));
        Ok(row)
    }
}
