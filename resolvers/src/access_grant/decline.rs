use super::{ACCESS_GRANT_ENDED, CHANGE};
use crate::prelude::*;
use entities::access_grant::{self, AccessGrant};
use schema::AccessGrantId;

#[input]
pub struct AccessGrantDeclineInput {
    /// From `accessGrantOffers`, or from `engagedOrganizations`.
    pub id: AccessGrantId,
    /// Why: the other side reads it.
    #[text(1_000)]
    pub reason: Option<String>,
}

pub struct Decline;

impl Procedure for Decline {
    const NAME: &'static str = "accessGrant/v1/decline";
    const ABOUT: &'static str =
        "Declines a grant that is offered to the acting organization, or gives one back that it accepted.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[ACCESS_GRANT_ENDED];
    type Input = AccessGrantDeclineInput;
    type Output = AccessGrant;
    type Subject = Seen<access_grant::Model>;

    fn example() -> AccessGrantDeclineInput {
        AccessGrantDeclineInput { id: AccessGrantId::OFFERED_EXAMPLE, reason: Some("The desk is full until May".into()) }
    }

    async fn subject(cx: &Context, input: &AccessGrantDeclineInput) -> Result<Self::Subject> {
        access_grant::offer(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: AccessGrantDeclineInput) -> Result<AccessGrant> {
        let AccessGrantDeclineInput { id, reason } = input;
        let verb = if allowed.into_subject().row.accepted_at.is_some() { "givenBack" } else { "declined" };
        let row = access_grant::answer(cx.tx().await?, id, false, cx.actor.principal, reason, cx.now()).await?;
        let row = row.ok_or_else(|| Error::new(ACCESS_GRANT_ENDED))?;
        cx.changed(kind::event(verb, &row, Change::fields(&["revokedAt"])));
        Ok(row.into())
    }
}
