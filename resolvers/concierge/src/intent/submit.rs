use super::{CHANGE, Suggested, ensure_constraints, suggested};
use crate::prelude::*;
use concierge::{
    about::About,
    intent::{Fresh, Intent, IntentState},
    matter::Priority,
};
use owners::{portfolio::PortfolioId, property::PropertyId};
use schema::Long;

/// Name a property or a portfolio that it is about, or neither.
#[input(not_both(property_id, portfolio_id))]
pub struct IntentSubmitInput {
    /// In your own words.
    #[text(10_000)]
    pub text: String,
    /// The outcome that is wanted, in a sentence.
    #[text(500)]
    pub wanted: Option<String>,
    pub property_id: Option<PropertyId>,
    pub portfolio_id: Option<PortfolioId>,
    /// Normal, if absent.
    pub priority: Option<Priority>,
    /// The most that may be spent, in minor units of the currency, such as cents.
    #[number(1, schema::valid::MOST_AMOUNT)]
    pub budget_minor: Option<Long>,
    /// ISO 4217, such as `USD`.
    #[currency]
    pub budget_currency: Option<String>,
    /// Not before this day.
    pub not_before: Option<Date>,
    /// Not after this day.
    pub not_after: Option<Date>,
    /// What must not be done.
    #[texts(20, 500)]
    pub must_nots: Option<Vec<String>>,
}

pub struct Submit;

impl Procedure for Submit {
    const NAME: &'static str = "intent/v1/submit";
    const ABOUT: &'static str = "Says what is wished for, in the owner's own words. Nothing is done by it alone. The gateway suggests what it is about, from the words.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[];
    type Input = IntentSubmitInput;
    type Output = Intent;
    type Subject = About<Fresh>;

    fn example() -> IntentSubmitInput {
        IntentSubmitInput {
            text: "The gutter over the porch drips whenever it rains. Please have it mended before the monsoon.".into(),
            wanted: Some("A dry porch".into()),
            property_id: Some(PropertyId::EXAMPLE),
            portfolio_id: None,
            priority: Some(Priority::Normal),
            budget_minor: Some(Long(60_000)),
            budget_currency: Some("USD".into()),
            not_before: None,
            not_after: Date::parse("2026-12-15"),
            must_nots: Some(vec!["No work on Sundays".into()]),
        }
    }

    async fn subject(cx: &Context, input: &IntentSubmitInput) -> Result<Self::Subject> {
        let IntentSubmitInput {
            text,
            wanted,
            property_id,
            portfolio_id,
            priority,
            budget_minor,
            budget_currency,
            not_before,
            not_after,
            must_nots,
        } = input.clone();
        let Suggested { kind, domain, urgency, confidence, words } = suggested(&text, wanted.as_deref());
        let fresh = Fresh {
            text,
            wanted,
            property_id,
            portfolio_id,
            priority: priority.unwrap_or(Priority::Normal),
            budget_minor,
            budget_currency,
            not_before,
            not_after,
            must_nots: must_nots.unwrap_or_default(),
            state: IntentState::Submitted,
            suggested_kind: kind,
            suggested_domain: domain,
            suggested_urgency: urgency,
            suggested_confidence: confidence,
            suggested_words: words,
            kind: None,
            domain: None,
            urgency: None,
            suggestion_taken: None,
            classified_by: None,
            classified_at: None,
            submitted_by: cx.actor.principal,
            submitter_organization_id: cx.organization(),
            case_id: None,
            ended_at: None,
            ended_by: None,
            end_reason: None,
            traceparent: schema::traceparent(),
        };
        About::of(cx, property_id, portfolio_id, fresh).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: IntentSubmitInput) -> Result<Intent> {
        let IntentSubmitInput { budget_minor, budget_currency, not_before, not_after, .. } = input;
        ensure_constraints((budget_minor, budget_currency.as_deref()), (not_before, not_after))?;
        cx.create_as(allowed, "submitted").await
    }
}
