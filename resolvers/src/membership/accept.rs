use super::{CHANGE, event};
use async_graphql::InputObject;
use entities::membership::{self, Membership, MembershipId};
use garde::Validate;
use schema::{Allowed, Change, Code, Constraint, Context, Error, Judged, Kind, Procedure, Resource, Result, Scope, Subject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MembershipAcceptInput {
    /// From `viewer { invitations }`.
    #[garde(skip)]
    pub id: MembershipId,
}

pub struct Accept;

/// An invitation, as the one sees it whom it is addressed to.
pub struct Invitation {
    row: membership::Model,
    addressee: schema::PrincipalId,
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
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[Code::MembershipNotPending, Code::MembershipExists];
    const SCOPE: Scope = Scope::Principal;
    type Input = MembershipAcceptInput;
    type Output = Membership;
    type Subject = Invitation;

    fn example() -> MembershipAcceptInput {
        MembershipAcceptInput { id: MembershipId(uuid::uuid!("01920000-0000-7000-8000-0000000000c1")) }
    }

    async fn subject(cx: &Context, input: &MembershipAcceptInput) -> Result<Invitation> {
        let row = membership::invitation(cx.tx().await?, input.id).await?;
        let row = row.ok_or_else(|| Error::new(Code::NotFound))?;
        Ok(Invitation { row, addressee: cx.actor.principal })
    }

    async fn handle(cx: &Context, _: Allowed<Invitation>, input: MembershipAcceptInput) -> Result<Membership> {
        let MembershipAcceptInput { id } = input;
        let accepted = membership::accept(cx.tx().await?, id, cx.now()).await;
        let row = accepted.taken("membership_principal_role", || Error::new(Code::MembershipExists))?;
        let row = row.ok_or_else(|| Error::new(Code::MembershipNotPending))?;
        cx.changed(event("membership.accepted", &row, Change::fields(&["state"])));
        Ok(row.into())
    }
}
