pub mod classify;
pub mod convert_to_case;
pub mod decline;
pub mod revise;
pub mod submit;
pub mod withdraw;

use crate::prelude::*;
use concierge::{
    intent::{self, Intent},
    matter::{Matter, MatterDomain, Priority},
};
use kind::Edit;
use schema::Long;
use suggest::{Suggester, Suggestion};

schema::codes! {
    INTENT_ENDED: Conflict, "A case was made of the intent, or it was declined or withdrawn.";
}

// One entry a line, so that a new procedure adds one line.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<submit::Submit>(),
    Entry::of::<revise::Revise>(),
    Entry::of::<withdraw::Withdraw>(),
    Entry::of::<classify::Classify>(),
    Entry::of::<convert_to_case::ConvertToCase>(),
    Entry::of::<decline::Decline>(),
    Entry::of::<Get>(),
    Entry::of::<List>(),
];

const CHANGE: Runs = Runs::mutation("intent_change", 1);

reads!(
    intent: Intent;
    "One intent of the acting organization."
        "intent/v1/get" IntentGetInput, intent
        "One intent of the acting organization.";
    "What the acting organization wishes for, a page at a time."
        "intent/v1/list" IntentListInput (CreatedDesc), intents
        "What the acting organization wishes for.";
    IntentQuery
);

/// The one who suggests what a text is about.
fn suggester() -> &'static dyn Suggester {
    suggest::ours()
}

/// A suggestion, as it is stored.
struct Suggested {
    kind: Matter,
    domain: MatterDomain,
    urgency: Priority,
    confidence: i32,
    words: Vec<String>,
}

/// Suggests what a text is about. A suggestion never acts.
fn suggested(text: &str, wanted: Option<&str>) -> Suggested {
    let both = wanted.map(|wanted| format!("{text}\n{wanted}"));
    let Suggestion { kind, urgency, confidence, words } = suggester().suggest(both.as_deref().unwrap_or(text));
    let kind = Matter::parse(kind).unwrap_or(Matter::Other);
    Suggested {
        kind,
        domain: kind.domain(),
        urgency: Priority::parse(urgency).unwrap_or(Priority::Normal),
        confidence: confidence.clamp(0, 100),
        words,
    }
}

/// Refuses constraints that cannot hold together.
fn ensure_constraints(budget: (Option<Long>, Option<&str>), (not_before, not_after): (Option<Date>, Option<Date>)) -> Result<()> {
    match budget {
        (Some(_), None) => return Err(Error::invalid("budgetCurrency", "REQUIRED", "say in which currency the budget is")),
        (None, Some(_)) => return Err(Error::invalid("budgetMinor", "REQUIRED", "say how much the budget is")),
        _ => {}
    }
    match (not_before, not_after) {
        (Some(first), Some(last)) if last < first => Err(Error::invalid("notAfter", "TOO_EARLY", "must not be before notBefore")),
        _ => Ok(()),
    }
}

/// Refuses an intent that has ended.
fn ensure_open(row: &Intent) -> Result<()> {
    if row.state.ended() { Err(Error::new(INTENT_ENDED)) } else { Ok(()) }
}

/// Notes the end of an intent, and who ended it.
fn end(cx: &Context, edit: &mut Edit<Intent>, state: intent::IntentState, reason: Option<String>) {
    let (from, to) = (edit.state.as_str().into(), state.as_str().into());
    edit.moved("state", Some(from), Some(to));
    edit.active.state = sea_orm::ActiveValue::Set(state);
    edit.active.ended_at = sea_orm::ActiveValue::Set(Some(cx.now().into()));
    edit.active.ended_by = sea_orm::ActiveValue::Set(Some(cx.actor.principal));
    if reason.is_some() {
        edit.changed("end_reason");
        edit.active.end_reason = sea_orm::ActiveValue::Set(reason);
    }
}
