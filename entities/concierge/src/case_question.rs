//! Questions that a desk puts to the owner of a case, with a time until which an answer is needed.

use crate::{case::CaseId, prelude::*};

schema::id!(
    /// One question about a case.
    CaseQuestionId = 0x1d1
);

states!(
    /// Where a question stands.
    QuestionState of "case_question" {
        new => [Open by "case/v1/ask"],
        /// Nobody has answered it.
        Open = "OPEN" => [
            Answered by "case/v1/answer" with "questionId",
            // Its case went on without an answer.
            Withdrawn by "case/v1/updateStatus" | "case/v1/resolve" | "case/v1/cancel",
        ],
        /// It has its answer.
        Answered = "ANSWERED" => [],
        /// Its case went on, or ended, without an answer.
        Withdrawn = "WITHDRAWN" => [],
    }
);

/// A question to the owner of a case.
#[kind(
    CaseQuestion,
    table = "case_question",
    delegated = Case,
    names = case_id,
    changes = [state, reminded_at, escalated_at, next_at, answer, choice, answered_by, answerer_organization_id, answered_at],
)]
pub struct Model {
    pub id: CaseQuestionId,
    /// Whose case it is about, and who is asked.
    pub organization_id: OrganizationId,
    /// The case that it is about.
    pub case_id: CaseId,
    /// What is asked.
    pub text: String,
    /// The answers to choose from. None: any text is one.
    pub choices: Vec<String>,
    pub state: QuestionState,
    /// Until when an answer is needed.
    pub due_at: Option<Time>,
    /// Who asks.
    pub asked_by: PrincipalId,
    /// The organization that they acted for.
    pub asker_organization_id: OrganizationId,
    /// When the owner was reminded of it.
    pub reminded_at: Option<Time>,
    /// When the desk's lead was told that nobody answers.
    pub escalated_at: Option<Time>,
    /// When the gateway has to look at it next.
    #[hidden]
    pub next_at: Option<Time>,
    /// The answer in words.
    pub answer: Option<String>,
    /// The answer that was chosen.
    pub choice: Option<String>,
    /// Who answered.
    pub answered_by: Option<PrincipalId>,
    /// The organization that they acted for.
    pub answerer_organization_id: Option<OrganizationId>,
    /// When it was answered.
    pub answered_at: Option<Time>,
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

/// The questions about a case that nobody has answered.
pub fn open(organization: OrganizationId, case: CaseId) -> Select<Entity> {
    of(organization).filter(Column::CaseId.eq(case)).filter(Column::State.eq(QuestionState::Open))
}

/// Which questions.
#[filter]
pub struct CaseQuestionFilter {
    /// Words, each of which occurs in the question or its answer.
    #[search]
    #[text(100)]
    pub search: Option<String>,
    /// Any of these.
    #[any(State)]
    pub state: Option<Vec<QuestionState>>,
    /// About this case.
    #[is(CaseId)]
    pub case_id: Option<CaseId>,
}

orders!(CaseQuestionOrder of CaseQuestionFilter, else CreatedAsc {
    // Ids are made in the order of their time.
    CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": Id;
});
