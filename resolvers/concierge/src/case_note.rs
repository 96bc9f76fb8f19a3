use crate::prelude::*;
use concierge::case_note;

#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<Get>(),
    Entry::of::<List>(),
];

reads!(
    case_note: CaseNote;
    "One note in the conversation about a case."
        "caseNote/v1/get" CaseNoteGetInput, case_note
        "One note in the conversation about a case.";
    "The notes in the conversations about the acting organization's cases, a page at a time."
        "caseNote/v1/list" CaseNoteListInput (CreatedAsc), case_notes
        "The notes in the conversations about the acting organization's cases.";
    CaseNoteQuery
);
