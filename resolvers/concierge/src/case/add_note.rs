use super::{CASE_HELD_BY_ANOTHER, CHANGE, work::ensure_held};
use crate::prelude::*;
use concierge::{
    case::{Case, CaseId},
    case_note::{self, CaseNote},
    internal_note::{self, InternalNote},
};

#[input]
pub struct CaseAddNoteInput {
    pub id: CaseId,
    /// What the note says.
    #[text(10_000)]
    pub text: String,
}

pub struct AddNote;

impl Procedure for AddNote {
    const NAME: &'static str = "case/v1/addNote";
    const ABOUT: &'static str = "Writes a note into the conversation about a case, which its owner and the desk both read.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[CASE_HELD_BY_ANOTHER];
    type Input = CaseAddNoteInput;
    type Output = CaseNote;
    type Subject = Seen<Case>;

    fn example() -> CaseAddNoteInput {
        CaseAddNoteInput { id: CaseId::EXAMPLE, text: "The roofer comes on Thursday between 8 and 10.".into() }
    }

    async fn subject(cx: &Context, input: &CaseAddNoteInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: CaseAddNoteInput) -> Result<CaseNote> {
        let case = cx.edit_any(allowed);
        ensure_held(cx, &case).await?;
        let (author_id, author_organization_id) = (cx.actor.principal, cx.organization());
        let note = case_note::Fresh { case_id: case.id, text: input.text, author_id, author_organization_id };
        cx.follow(&case, note, "created", "caseId").await
    }
}

#[input]
pub struct CaseAddInternalNoteInput {
    pub id: CaseId,
    /// What the note says.
    #[text(10_000)]
    pub text: String,
}

pub struct AddInternalNote;

impl Procedure for AddInternalNote {
    const NAME: &'static str = "case/v1/addInternalNote";
    const ABOUT: &'static str =
        "Writes a note about a case that the desk keeps for itself. The owner never sees it, nor that it is there.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[CASE_HELD_BY_ANOTHER];
    type Input = CaseAddInternalNoteInput;
    type Output = InternalNote;
    type Subject = Seen<Case>;

    fn example() -> CaseAddInternalNoteInput {
        CaseAddInternalNoteInput { id: CaseId::EXAMPLE, text: "Ask Elena's roofer first; he was quicker last time.".into() }
    }

    async fn subject(cx: &Context, input: &CaseAddInternalNoteInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: CaseAddInternalNoteInput) -> Result<InternalNote> {
        let case = cx.edit_any(allowed);
        ensure_held(cx, &case).await?;
        let (owner_organization_id, case_id, author_id) = (case.organization_id, case.id, cx.actor.principal);
        let note = internal_note::Fresh { owner_organization_id, case_id, text: input.text, author_id };
        cx.follow(&case, note, "created", "caseId").await
    }
}
