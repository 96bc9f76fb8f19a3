use crate::prelude::*;
use concierge::case_question;

#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<Get>(),
    Entry::of::<List>(),
];

reads!(
    case_question: CaseQuestion;
    "One question about a case of the acting organization."
        "caseQuestion/v1/get" CaseQuestionGetInput, case_question
        "One question about a case of the acting organization.";
    "The questions about the acting organization's cases, a page at a time."
        "caseQuestion/v1/list" CaseQuestionListInput (CreatedAsc), case_questions
        "The questions about the acting organization's cases.";
    CaseQuestionQuery
);
