use super::{CHANGE, DELEGATION_NOT_OFFERED};
use crate::prelude::*;
use entities::delegation::{self, Delegation, DelegationId, DelegationState};
use schema::{Judged, Resource, Scope, Subject};

#[input]
pub struct DelegationAcceptInput {
    /// From `viewer { delegationOffers }`.
    pub id: DelegationId,
}

pub struct Accept;

/// A delegation, as the one sees it whom it is offered to.
pub struct Offer {
    pub row: Delegation,
}

impl Offer {
    pub async fn find(cx: &Context, id: DelegationId) -> Result<Self> {
        let row = delegation::offer(cx.tx().await?, id).await?;
        Ok(Offer { row: row.ok_or_else(|| Error::new(Code::NOT_FOUND))? })
    }
}

impl Subject for Offer {
    fn judged(&self) -> Judged {
        let attributes = serde_json::json!({
            "relation": "ENGAGED",
            "holder": self.row.holder_id,
            "grantor": self.row.grantor_id,
        });
        Judged::One(Resource { kind: delegation::KIND, id: self.row.id.0, attributes, version: Some(self.row.version) })
    }
}

impl Procedure for Accept {
    const NAME: &'static str = "delegation/v1/accept";
    const ABOUT: &'static str =
        "Accepts a delegation that is offered to you: from then on it counts. Needs no acting organization.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[DELEGATION_NOT_OFFERED];
    const SCOPE: Scope = Scope::Principal;
    type Input = DelegationAcceptInput;
    type Output = Delegation;
    type Subject = Offer;

    fn example() -> DelegationAcceptInput {
        DelegationAcceptInput { id: DelegationId::OFFERED_EXAMPLE }
    }

    async fn subject(cx: &Context, input: &DelegationAcceptInput) -> Result<Offer> {
        Offer::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Offer>, _: DelegationAcceptInput) -> Result<Delegation> {
        answered(cx, allowed, DelegationState::Active, "accepted").await
    }
}

/// The delegation after its holder's answer.
pub async fn answered(cx: &Context, allowed: Allowed<Offer>, state: DelegationState, verb: &'static str) -> Result<Delegation> {
    let offer = allowed.into_subject().row;
    let gone = || Error::new(DELEGATION_NOT_OFFERED);
    if offer.state != DelegationState::Offered {
        return Err(gone());
    }
    offer.state.to(state).map_err(|_| gone())?;
    let row = delegation::answer(cx.tx().await?, offer.id, state == DelegationState::Active, cx.now()).await?;
    let row = row.ok_or_else(gone)?;
    cx.changed(kind::event(verb, &row, Change::fields(&["state"])));
    Ok(row)
}
