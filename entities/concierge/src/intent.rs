//! Intents: what owners wish for, in their own words. To declare one carries nothing out.

use crate::{
    matter::{Matter, MatterDomain, Priority},
    prelude::*,
};
use owners::{portfolio::PortfolioId, property::PropertyId};
use schema::Number;

schema::id!(
    /// What one owner wishes for.
    IntentId = 0x91, CLASSIFIED_EXAMPLE = 0x92
);
schema::id!(
    /// The work on what an owner wants done.
    CaseId = 0x81, SECOND_EXAMPLE = 0x82, DUE_EXAMPLE = 0x83
);

states!(
    /// Where an intent stands.
    IntentState of "intent" {
        new => [Submitted by "intent/v1/submit"],
        /// Nobody has said yet what it is about.
        Submitted = "SUBMITTED" => [
            Classified by "intent/v1/classify",
            Declined by "intent/v1/decline" with "reason",
            Withdrawn by "intent/v1/withdraw",
        ],
        /// Somebody said what it is about.
        Classified = "CLASSIFIED" => [
            // Its words are others now.
            Submitted by "intent/v1/revise",
            Converted by "intent/v1/convertToCase",
            Declined by "intent/v1/decline" with "reason",
            Withdrawn by "intent/v1/withdraw",
        ],
        /// A case was made of it.
        Converted = "CONVERTED" => [],
        /// Nothing will be done about it.
        Declined = "DECLINED" => [],
        /// The owner took it back.
        Withdrawn = "WITHDRAWN" => [],
    }
);

/// What an owner wishes for, in their own words. Nothing is done by it alone: somebody makes a case of it, or declines.
#[kind(
    Intent,
    table = "intent",
    delegated = Thing,
    names = property_id,
    possible = possible,
)]
pub struct Model {
    pub id: IntentId,
    /// Whose wish it is.
    pub organization_id: OrganizationId,
    /// Such as `I-17`; dense within an organization.
    #[given]
    #[fixed]
    pub number: Number<'I'>,
    /// The owner's own words.
    pub text: String,
    /// The outcome that is wanted, in a sentence.
    pub wanted: Option<String>,
    pub property_id: Option<PropertyId>,
    pub portfolio_id: Option<PortfolioId>,
    /// How urgent it is to the owner.
    pub priority: Priority,
    #[given]
    #[fixed]
    #[hidden]
    pub priority_rank: i32,
    /// The most that may be spent, in minor units of the currency, such as cents.
    pub budget_minor: Option<Long>,
    /// ISO 4217, such as `USD`.
    pub budget_currency: Option<String>,
    /// Not before this day.
    pub not_before: Option<Date>,
    /// Not after this day.
    pub not_after: Option<Date>,
    /// What must not be done.
    pub must_nots: Vec<String>,
    pub state: IntentState,
    /// A suggestion of the gateway's own, from the words alone. Nobody has looked at it.
    pub suggested_kind: Matter,
    /// A suggestion.
    pub suggested_domain: MatterDomain,
    /// A suggestion.
    pub suggested_urgency: Priority,
    /// How sure the suggestion is, from 0 to 100: of those with 80, some 80 in a hundred are right.
    pub suggested_confidence: i32,
    /// The words that led to the suggestion.
    pub suggested_words: Vec<String>,
    /// What it is about, as somebody said who read it.
    pub kind: Option<Matter>,
    /// The field of work, as they said.
    pub domain: Option<MatterDomain>,
    /// How urgent it is, as they said.
    pub urgency: Option<Priority>,
    /// Whether the suggestion was taken as it was. Null: nobody has classified it yet.
    pub suggestion_taken: Option<bool>,
    /// Who classified it.
    pub classified_by: Option<PrincipalId>,
    /// When it was classified.
    pub classified_at: Option<Time>,
    /// Who said it.
    #[fixed]
    pub submitted_by: PrincipalId,
    /// The organization that they acted for.
    #[fixed]
    pub submitter_organization_id: OrganizationId,
    /// The case that was made of it.
    pub case_id: Option<CaseId>,
    /// When a case was made of it, or when it was declined or withdrawn.
    pub ended_at: Option<Time>,
    pub ended_by: Option<PrincipalId>,
    /// Why it was declined or withdrawn. The owner reads it.
    pub end_reason: Option<String>,
    #[fixed]
    #[hidden]
    pub traceparent: Option<String>,
    /// For optimistic locking: send it with a change.
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

/// Whether an intent is in a state for a verb.
fn possible(row: &Model, verb: &str, _: OrganizationId, _: chrono::DateTime<chrono::Utc>) -> bool {
    let procedure = format!("intent/v1/{verb}");
    match verb {
        "revise" | "classify" => matches!(row.state, IntentState::Submitted | IntentState::Classified),
        _ if IntentState::MACHINE.moves_by(&procedure) => IntentState::MACHINE.moved_by(row.state.as_str(), &procedure),
        _ => true,
    }
}

/// Which intents.
#[filter]
pub struct IntentFilter {
    /// Words, each of which occurs in the text or in the outcome that is wanted.
    #[search]
    #[text(100)]
    pub search: Option<String>,
    /// The intent with this number.
    #[is(Number)]
    pub number: Option<Number<'I'>>,
    /// Any of these.
    #[any(State)]
    pub state: Option<Vec<IntentState>>,
    /// Any of these.
    #[any(Priority)]
    pub priority: Option<Vec<Priority>>,
    /// Classified as any of these.
    #[any(Kind)]
    pub kind: Option<Vec<Matter>>,
    #[is(PropertyId)]
    pub property_id: Option<PropertyId>,
    #[is(PortfolioId)]
    pub portfolio_id: Option<PortfolioId>,
    /// Said by this person.
    #[is(SubmittedBy)]
    pub submitted_by: Option<PrincipalId>,
    /// Changed at this time or later.
    #[from(UpdatedAt)]
    pub updated_since: Option<Time>,
}

orders!(IntentOrder of IntentFilter, else CreatedDesc {
    // Ids are made in the order of their time.
    CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": Id;
    UpdatedAsc = "UPDATED_ASC", UpdatedDesc = "UPDATED_DESC": UpdatedAt;
    PriorityAsc = "PRIORITY_ASC", PriorityDesc = "PRIORITY_DESC": PriorityRank;
});
