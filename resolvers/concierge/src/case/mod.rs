pub mod add_note;
pub mod advance;
pub mod ask;
pub mod assign;
pub mod change_priority;
pub mod create;
pub mod end;
pub mod link;
pub mod reopen;
pub mod replan;
pub mod resolve;
pub mod triage;
pub mod update;
pub mod update_status;
mod work;

pub(crate) use work::{Opening, ensure_of_desk, opened};

use crate::prelude::*;
use concierge::case;

schema::codes! {
    CASE_HELD_BY_ANOTHER: Conflict, "Another desk holds the case.";
    CASE_ENDED: Conflict, "The case is resolved, closed or cancelled.";
    CASE_REOPEN_TOO_LATE: Conflict, "The case has been closed for too long; open a new one that follows it.";
    CASE_QUESTION_ENDED: Conflict, "The question was answered or withdrawn.";
}

// One entry a line, so that a new procedure adds one line.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<create::Create>(),
    Entry::of::<update::Update>(),
    Entry::of::<triage::Triage>(),
    Entry::of::<update_status::UpdateStatus>(),
    Entry::of::<assign::Assign>(),
    Entry::of::<assign::Unassign>(),
    Entry::of::<change_priority::ChangePriority>(),
    Entry::of::<add_note::AddNote>(),
    Entry::of::<add_note::AddInternalNote>(),
    Entry::of::<ask::Ask>(),
    Entry::of::<ask::Answer>(),
    Entry::of::<link::Link>(),
    Entry::of::<link::Unlink>(),
    Entry::of::<resolve::Resolve>(),
    Entry::of::<end::Close>(),
    Entry::of::<reopen::Reopen>(),
    Entry::of::<end::Cancel>(),
    Entry::of::<advance::Advance>(),
    Entry::of::<replan::Replan>(),
    Entry::of::<Get>(),
    Entry::of::<List>(),
];

const CHANGE: Runs = Runs::mutation("case_change", 1);

reads!(
    case: Case;
    "One case of the acting organization."
        "case/v1/get" CaseGetInput, case
        "One case of the acting organization.";
    "The acting organization's cases, a page at a time."
        "case/v1/list" CaseListInput (CreatedDesc), cases
        "The acting organization's cases.";
    CaseQuery
);
