use super::{CHANGE, INTENT_ENDED, end, ensure_open};
use crate::prelude::*;
use concierge::intent::{Intent, IntentId, IntentState};

#[input]
pub struct IntentDeclineInput {
    pub id: IntentId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// Why nothing is done about it: the owner reads it.
    #[text(1_000)]
    pub reason: String,
}

pub struct Decline;

impl Procedure for Decline {
    const NAME: &'static str = "intent/v1/decline";
    const ABOUT: &'static str = "Says that nothing will be done about a wish, and why.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, INTENT_ENDED];
    type Input = IntentDeclineInput;
    type Output = Intent;
    type Subject = Seen<Intent>;

    fn example() -> IntentDeclineInput {
        IntentDeclineInput { id: IntentId::EXAMPLE, version: 1, reason: "The association looks after the gutters.".into() }
    }

    async fn subject(cx: &Context, input: &IntentDeclineInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: IntentDeclineInput) -> Result<Intent> {
        let mut row = cx.edit(allowed, input.version)?;
        ensure_open(&row)?;
        let state = row.state.to_with(IntentState::Declined, &["reason"])?;
        end(cx, &mut row, state, Some(input.reason));
        cx.save(row, "declined").await
    }
}
