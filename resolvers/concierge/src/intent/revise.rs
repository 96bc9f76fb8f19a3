use super::{CHANGE, INTENT_ENDED, Suggested, ensure_constraints, ensure_open, suggested};
use crate::prelude::*;
use concierge::{
    intent::{Intent, IntentId, IntentState},
    matter::Priority,
};
use schema::Long;
use sea_orm::ActiveValue::Set;

/// What is absent stays as it is; null clears what can be cleared.
#[input]
pub struct IntentReviseInput {
    pub id: IntentId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// Other words are classified anew.
    #[patch(text(10_000))]
    pub text: Option<String>,
    /// The outcome that is wanted, in a sentence.
    #[patch(text(500))]
    pub wanted: MaybeUndefined<String>,
    /// How urgent it is.
    #[patch]
    pub priority: Option<Priority>,
    /// The most that may be spent, in minor units of the currency.
    #[patch(number(1, schema::valid::MOST_AMOUNT))]
    pub budget_minor: MaybeUndefined<Long>,
    /// ISO 4217, such as `USD`.
    #[patch(currency)]
    pub budget_currency: MaybeUndefined<String>,
    /// Not before this day.
    #[patch]
    pub not_before: MaybeUndefined<Date>,
    /// Not after this day.
    #[patch]
    pub not_after: MaybeUndefined<Date>,
    /// What must not be done.
    #[patch(texts(20, 500))]
    pub must_nots: Option<Vec<String>>,
}

pub struct Revise;

impl Procedure for Revise {
    const NAME: &'static str = "intent/v1/revise";
    const ABOUT: &'static str = "Says a wish in other words, or with other limits, as long as no case was made of it.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, INTENT_ENDED];
    type Input = IntentReviseInput;
    type Output = Intent;
    type Subject = Seen<Intent>;

    fn example() -> IntentReviseInput {
        let text = Some("The gutter over the porch drips, and the one over the garage too.".into());
        IntentReviseInput { text, ..IntentReviseInput::of(IntentId::EXAMPLE, 1) }
    }

    async fn subject(cx: &Context, input: &IntentReviseInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: IntentReviseInput) -> Result<Intent> {
        let IntentReviseInput {
            id: _,
            version,
            text,
            wanted,
            priority,
            budget_minor,
            budget_currency,
            not_before,
            not_after,
            must_nots,
        } = input;
        let mut row = cx.edit(allowed, version)?;
        ensure_open(&row)?;
        patch!(row: text, wanted, priority, budget_minor, budget_currency, not_before, not_after, must_nots);
        let currency = is_set(&row.active.budget_currency);
        ensure_constraints(
            (is_set(&row.active.budget_minor), currency.as_deref()),
            (is_set(&row.active.not_before), is_set(&row.active.not_after)),
        )?;
        let (words, outcome) = (row.active.text.clone().take().unwrap_or_default(), is_set(&row.active.wanted));
        if words != row.text || outcome != row.wanted {
            let Suggested { kind, domain, urgency, confidence, words } = suggested(&words, outcome.as_deref());
            row.active.suggested_kind = Set(kind);
            row.active.suggested_domain = Set(domain);
            row.active.suggested_urgency = Set(urgency);
            row.active.suggested_confidence = Set(confidence);
            row.active.suggested_words = Set(words);
            if row.state == IntentState::Classified {
                let state = row.state.to(IntentState::Submitted)?;
                row.moved("state", Some("CLASSIFIED".into()), Some("SUBMITTED".into()));
                row.active.state = Set(state);
                row.active.kind = Set(None);
                row.active.domain = Set(None);
                row.active.urgency = Set(None);
                row.active.suggestion_taken = Set(None);
                row.active.classified_by = Set(None);
                row.active.classified_at = Set(None);
            }
        }
        cx.save(row, "revised").await
    }
}

/// The value that a nullable column will have.
fn is_set<T: Into<sea_orm::Value> + sea_orm::sea_query::Nullable + Clone>(value: &sea_orm::ActiveValue<Option<T>>) -> Option<T> {
    value.clone().take().flatten()
}
