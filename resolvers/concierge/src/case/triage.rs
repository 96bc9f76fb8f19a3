use super::{
    CASE_HELD_BY_ANOTHER, CHANGE,
    work::{Work, ensure_of_desk},
};
use crate::prelude::*;
use concierge::{
    case::{CASE_INVALID_TRANSITION, Case, CaseId, CaseState},
    matter::{Matter, Priority},
};

#[input]
pub struct CaseTriageInput {
    pub id: CaseId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// The sort of thing that is to be done.
    pub kind: Matter,
    /// How urgent it is.
    pub priority: Priority,
    /// Who of the desk works on it from now on.
    pub assignee_id: Option<PrincipalId>,
}

pub struct Triage;

impl Procedure for Triage {
    const NAME: &'static str = "case/v1/triage";
    const ABOUT: &'static str = "Says what a new case is about, how urgent it is, and who works on it.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, CASE_INVALID_TRANSITION, CASE_HELD_BY_ANOTHER];
    type Input = CaseTriageInput;
    type Output = Case;
    type Subject = Seen<Case>;

    fn example() -> CaseTriageInput {
        let (kind, priority) = (Matter::Repair, Priority::High);
        CaseTriageInput { id: CaseId::EXAMPLE, version: 1, kind, priority, assignee_id: None }
    }

    async fn subject(cx: &Context, input: &CaseTriageInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: CaseTriageInput) -> Result<Case> {
        let CaseTriageInput { id: _, version, kind, priority, assignee_id } = input;
        let mut work = Work::on(cx, allowed, version).await?;
        work.go(cx, Self::NAME, CaseState::Triaged, &[])?;
        work.next.kind = kind;
        if work.next.priority != priority {
            work.next.priority = priority;
            work.replan(cx);
        }
        if let Some(who) = assignee_id {
            ensure_of_desk(cx, "assigneeId", who).await?;
            work.next.assignee_id = Some(who);
        }
        work.done(cx, "triaged").await
    }
}
