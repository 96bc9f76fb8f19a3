use super::{ACCESS_GRANT_ENDED, CHANGE, ensure_open};
use crate::prelude::*;
use entities::access_grant::{self, AccessGrant, AccessScope};
use schema::AccessGrantId;

/// What is absent stays as it is. A grant never grows: for more, give another.
#[input]
pub struct AccessGrantNarrowInput {
    pub id: AccessGrantId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// What stays of it.
    #[patch(count(1, 100))]
    pub scopes: Option<Vec<AccessScope>>,
    /// An earlier end.
    #[patch]
    pub ends_at: Option<Time>,
}

pub struct Narrow;

impl Procedure for Narrow {
    const NAME: &'static str = "accessGrant/v1/narrow";
    const ABOUT: &'static str = "Lets a grant go less far, or end earlier, at once.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, ACCESS_GRANT_ENDED];
    type Input = AccessGrantNarrowInput;
    type Output = AccessGrant;
    type Subject = Seen<access_grant::Model>;

    fn example() -> AccessGrantNarrowInput {
        let scopes = Some(vec![AccessScope::Read]);
        AccessGrantNarrowInput { scopes, ..AccessGrantNarrowInput::of(AccessGrantId::EXAMPLE, 1) }
    }

    async fn subject(cx: &Context, input: &AccessGrantNarrowInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: AccessGrantNarrowInput) -> Result<AccessGrant> {
        let AccessGrantNarrowInput { id: _, version, scopes, ends_at } = input;
        let mut row = cx.edit(allowed, version)?;
        ensure_open(cx, &row)?;
        // The scope `act` includes `read`.
        let within =
            |scope: &String| row.scopes.contains(scope) || (scope == "read" && row.scopes.iter().any(|had| had == "act"));
        let scopes = scopes.map(|scopes| AccessScope::stored(&scopes));
        if scopes.as_ref().is_some_and(|scopes| !scopes.iter().all(within)) {
            return Err(Error::invalid("scopes", "NOT_NARROWER", "it does not go that far"));
        }
        if ends_at.is_some_and(|ends| !row.term().can_end(ends, cx.now().into()) || row.ends_at.is_some_and(|had| ends > had)) {
            return Err(Error::invalid("endsAt", "NOT_NARROWER", "must be later than now, and earlier than it ends"));
        }
        let ends_at = ends_at.map(Some);
        patch!(row: scopes, ends_at);
        Ok(cx.save(row, "narrowed").await?.into())
    }
}
