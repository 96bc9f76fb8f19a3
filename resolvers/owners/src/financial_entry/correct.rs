use super::{CHANGE, FINANCIAL_ENTRY_CORRECTED};
use crate::prelude::*;
use kind::amend;
use owners::financial_entry::{FinancialEntry, FinancialEntryId, FinancialEntryKind};
use schema::Long;

/// What is absent is taken over; null clears what can be cleared.
#[input]
pub struct FinancialEntryCorrectInput {
    /// The entry that is wrong.
    pub id: FinancialEntryId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// What was wrong: kept for good.
    #[text(1_000)]
    pub reason: String,
    #[patch]
    pub kind: Option<FinancialEntryKind>,
    #[patch(amount)]
    pub amount_minor: Option<Long>,
    #[patch(currency)]
    pub currency: Option<String>,
    #[patch]
    pub booked_on: Option<Date>,
    #[patch(text(500))]
    pub source: Option<String>,
    #[patch(text(10_000))]
    pub note: MaybeUndefined<String>,
}

pub struct Correct;

impl Procedure for Correct {
    const NAME: &'static str = "financialEntry/v1/correct";
    const ABOUT: &'static str = "Puts another entry in the place of one that is wrong, which stays and says so.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, FINANCIAL_ENTRY_CORRECTED];
    type Input = FinancialEntryCorrectInput;
    type Output = FinancialEntry;
    type Subject = Seen<FinancialEntry>;

    fn example() -> FinancialEntryCorrectInput {
        let (reason, amount_minor) = ("The receipt says 1,842.50".into(), Some(Long(-184_250)));
        FinancialEntryCorrectInput { amount_minor, ..FinancialEntryCorrectInput::of(FinancialEntryId::EXAMPLE, 1, reason) }
    }

    async fn subject(cx: &Context, input: &FinancialEntryCorrectInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: FinancialEntryCorrectInput) -> Result<FinancialEntry> {
        let FinancialEntryCorrectInput { id: _, version, reason, kind, amount_minor, currency, booked_on, source, note } = input;
        let wrong = cx.edit(allowed, version)?;
        ensure_stands(&*wrong, FINANCIAL_ENTRY_CORRECTED)?;
        let mut right = wrong.clone();
        amend!(right: kind, amount_minor, currency, booked_on, source, note);
        cx.correct(wrong, reason, right).await
    }
}
