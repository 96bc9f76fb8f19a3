use super::{CHANGE, INTENT_ENDED, ensure_open};
use crate::prelude::*;
use concierge::{
    intent::{Intent, IntentId, IntentState},
    matter::{Matter, MatterDomain, Priority},
};
use sea_orm::ActiveValue::Set;

#[input]
pub struct IntentClassifyInput {
    pub id: IntentId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// The sort of thing that it is about.
    pub kind: Matter,
    /// How urgent it is.
    pub urgency: Priority,
    /// The one that such a matter belongs to as a rule, if absent.
    pub domain: Option<MatterDomain>,
}

pub struct Classify;

impl Procedure for Classify {
    const NAME: &'static str = "intent/v1/classify";
    const ABOUT: &'static str = "Says what a wish is about and how urgent it is, as somebody judged who read it. The result tells whether the suggestion was taken.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, INTENT_ENDED];
    type Input = IntentClassifyInput;
    type Output = Intent;
    type Subject = Seen<Intent>;

    fn example() -> IntentClassifyInput {
        let (kind, urgency) = (Matter::Repair, Priority::Normal);
        IntentClassifyInput { id: IntentId::EXAMPLE, version: 1, kind, urgency, domain: None }
    }

    async fn subject(cx: &Context, input: &IntentClassifyInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: IntentClassifyInput) -> Result<Intent> {
        let IntentClassifyInput { id: _, version, kind, urgency, domain } = input;
        let mut row = cx.edit(allowed, version)?;
        ensure_open(&row)?;
        let domain = domain.unwrap_or(kind.domain());
        let taken = (kind, domain, urgency) == (row.suggested_kind, row.suggested_domain, row.suggested_urgency);
        // Who classifies anew says the same thing in another way: that is no move.
        if row.state != IntentState::Classified {
            let state = row.state.to(IntentState::Classified)?;
            row.moved("state", Some(row.state.as_str().into()), Some(state.as_str().into()));
            row.active.state = Set(state);
        }
        row.moved("kind", row.kind.map(|kind| kind.as_str().into()), Some(kind.as_str().into()));
        row.moved("urgency", row.urgency.map(|one| one.as_str().into()), Some(urgency.as_str().into()));
        row.active.kind = Set(Some(kind));
        row.active.domain = Set(Some(domain));
        row.active.urgency = Set(Some(urgency));
        row.active.suggestion_taken = Set(Some(taken));
        row.active.classified_by = Set(Some(cx.actor.principal));
        row.active.classified_at = Set(Some(cx.now().into()));
        cx.save(row, "classified").await
    }
}
