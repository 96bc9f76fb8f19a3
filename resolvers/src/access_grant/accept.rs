use super::{ACCESS_GRANT_NOT_OFFERED, CHANGE};
use crate::prelude::*;
use entities::access_grant::{self, AccessGrant};
use schema::AccessGrantId;

#[input]
pub struct AccessGrantAcceptInput {
    /// From `accessGrantOffers`.
    pub id: AccessGrantId,
}

pub struct Accept;

impl Procedure for Accept {
    const NAME: &'static str = "accessGrant/v1/accept";
    const ABOUT: &'static str = "Accepts a grant that is offered to the acting organization: from then on it counts.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[ACCESS_GRANT_NOT_OFFERED];
    type Input = AccessGrantAcceptInput;
    type Output = AccessGrant;
    type Subject = Seen<access_grant::Model>;

    fn example() -> AccessGrantAcceptInput {
        AccessGrantAcceptInput { id: AccessGrantId::OFFERED_EXAMPLE }
    }

    async fn subject(cx: &Context, input: &AccessGrantAcceptInput) -> Result<Self::Subject> {
        access_grant::offer(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, _: AccessGrantAcceptInput) -> Result<AccessGrant> {
        let id = allowed.into_subject().row.id;
        let row = access_grant::answer(cx.tx().await?, id, true, cx.actor.principal, None, cx.now()).await?;
        let row = row.ok_or_else(|| Error::new(ACCESS_GRANT_NOT_OFFERED))?;
        cx.changed(kind::event("accepted", &row, Change::fields(&["acceptedAt"])));
        Ok(row.into())
    }
}
