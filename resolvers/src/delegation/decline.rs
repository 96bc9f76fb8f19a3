use super::{
    CHANGE, DELEGATION_NOT_OFFERED,
    accept::{Offer, answered},
};
use crate::prelude::*;
use entities::delegation::{Delegation, DelegationId, DelegationState};
use schema::Scope;

#[input]
pub struct DelegationDeclineInput {
    /// From `viewer { delegationOffers }`.
    pub id: DelegationId,
}

pub struct Decline;

impl Procedure for Decline {
    const NAME: &'static str = "delegation/v1/decline";
    const ABOUT: &'static str = "Declines a delegation that is offered to you. Needs no acting organization.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[DELEGATION_NOT_OFFERED];
    const SCOPE: Scope = Scope::Principal;
    type Input = DelegationDeclineInput;
    type Output = Delegation;
    type Subject = Offer;

    fn example() -> DelegationDeclineInput {
        DelegationDeclineInput { id: DelegationId::OFFERED_EXAMPLE }
    }

    async fn subject(cx: &Context, input: &DelegationDeclineInput) -> Result<Offer> {
        Offer::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Offer>, _: DelegationDeclineInput) -> Result<Delegation> {
        answered(cx, allowed, DelegationState::Declined, "declined").await
    }
}
