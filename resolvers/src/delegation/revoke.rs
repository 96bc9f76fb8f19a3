use super::{CHANGE, DELEGATION_ENDED, Rest, ensure_open, note_permitting, reduce, to_come::BELOW};
use crate::prelude::*;
use entities::delegation::{Delegation, DelegationId};

#[input]
pub struct DelegationRevokeInput {
    pub id: DelegationId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// Why it is taken back: kept for good.
    #[text(1_000)]
    pub reason: Option<String>,
}

pub struct Revoke;

impl Procedure for Revoke {
    const NAME: &'static str = "delegation/v1/revoke";
    const ABOUT: &'static str = "Takes a delegation back, and all that rests on it, at once. Its holder may give it back so.";
    const RUNS: Runs = CHANGE;
    const CHANGES_RIGHTS: bool = true;
    const HINTS: Option<&'static schema::Hints> = Some(&BELOW);
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, DELEGATION_ENDED];
    type Input = DelegationRevokeInput;
    type Output = Delegation;
    type Subject = Seen<Delegation>;

    fn example() -> DelegationRevokeInput {
        DelegationRevokeInput { id: DelegationId::EXAMPLE, version: 1, reason: Some("The flat is let".into()) }
    }

    async fn subject(cx: &Context, input: &DelegationRevokeInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: DelegationRevokeInput) -> Result<Delegation> {
        let DelegationRevokeInput { id: _, version, reason } = input;
        let row = cx.edit(allowed, version)?;
        ensure_open(cx, &row).await?;
        note_permitting(cx, &row);
        reduce(cx, row, Rest::nothing(), reason.as_deref()).await
    }
}
