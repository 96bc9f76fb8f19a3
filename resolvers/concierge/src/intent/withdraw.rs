use super::{CHANGE, INTENT_ENDED, end, ensure_open};
use crate::prelude::*;
use concierge::intent::{Intent, IntentId, IntentState};

#[input]
pub struct IntentWithdrawInput {
    pub id: IntentId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// Why it is taken back.
    #[text(1_000)]
    pub reason: Option<String>,
}

pub struct Withdraw;

impl Procedure for Withdraw {
    const NAME: &'static str = "intent/v1/withdraw";
    const ABOUT: &'static str = "Takes a wish back, as long as no case was made of it.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, INTENT_ENDED];
    type Input = IntentWithdrawInput;
    type Output = Intent;
    type Subject = Seen<Intent>;

    fn example() -> IntentWithdrawInput {
        IntentWithdrawInput { id: IntentId::EXAMPLE, version: 1, reason: Some("A neighbour mended it".into()) }
    }

    async fn subject(cx: &Context, input: &IntentWithdrawInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: IntentWithdrawInput) -> Result<Intent> {
        let mut row = cx.edit(allowed, input.version)?;
        ensure_open(&row)?;
        let state = row.state.to(IntentState::Withdrawn)?;
        end(cx, &mut row, state, input.reason);
        cx.save(row, "withdrawn").await
    }
}
