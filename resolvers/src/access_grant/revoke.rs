use super::{ACCESS_GRANT_ENDED, CHANGE};
use crate::prelude::*;
use entities::access_grant::{self, AccessGrant};
use schema::AccessGrantId;

#[input]
pub struct AccessGrantRevokeInput {
    pub id: AccessGrantId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// Why it is taken back: kept for good.
    #[text(1_000)]
    pub reason: Option<String>,
}

pub struct Revoke;

impl Procedure for Revoke {
    const NAME: &'static str = "accessGrant/v1/revoke";
    const ABOUT: &'static str = "Takes a grant back, at once. What others gave to the same organization stays.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, ACCESS_GRANT_ENDED];
    type Input = AccessGrantRevokeInput;
    type Output = AccessGrant;
    type Subject = Seen<access_grant::Model>;

    fn example() -> AccessGrantRevokeInput {
        AccessGrantRevokeInput { id: AccessGrantId::EXAMPLE, version: 1, reason: Some("We are back".into()) }
    }

    async fn subject(cx: &Context, input: &AccessGrantRevokeInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: AccessGrantRevokeInput) -> Result<AccessGrant> {
        let AccessGrantRevokeInput { id: _, version, reason } = input;
        let row = cx.edit(allowed, version)?;
        // A grant whose term is over can still be revoked, so that nothing is left of it.
        if row.term().ended {
            return Err(Error::new(ACCESS_GRANT_ENDED));
        }
        Ok(cx.end(row, (), reason, "revoked").await?.into())
    }
}
