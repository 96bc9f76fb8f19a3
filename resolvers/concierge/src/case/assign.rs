use super::{
    CASE_ENDED, CASE_HELD_BY_ANOTHER, CHANGE,
    work::{Work, ensure_of_desk},
};
use crate::prelude::*;
use concierge::case::{Case, CaseId};

#[input]
pub struct CaseAssignInput {
    pub id: CaseId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// Who of the desk works on it from now on; you, if absent.
    pub assignee_id: Option<PrincipalId>,
}

pub struct Assign;

impl Procedure for Assign {
    const NAME: &'static str = "case/v1/assign";
    const ABOUT: &'static str = "Says who of the desk works on a case.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, CASE_ENDED, CASE_HELD_BY_ANOTHER];
    type Input = CaseAssignInput;
    type Output = Case;
    type Subject = Seen<Case>;

    fn example() -> CaseAssignInput {
        CaseAssignInput { id: CaseId::EXAMPLE, version: 1, assignee_id: None }
    }

    async fn subject(cx: &Context, input: &CaseAssignInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: CaseAssignInput) -> Result<Case> {
        let mut work = Work::on(cx, allowed, input.version).await?;
        work.ensure_open()?;
        let who = input.assignee_id.unwrap_or(cx.actor.principal);
        ensure_of_desk(cx, "assigneeId", who).await?;
        work.next.assignee_id = Some(who);
        work.done(cx, "assigned").await
    }
}

#[input]
pub struct CaseUnassignInput {
    pub id: CaseId,
    /// The version that was read.
    #[version]
    pub version: i32,
}

pub struct Unassign;

impl Procedure for Unassign {
    const NAME: &'static str = "case/v1/unassign";
    const ABOUT: &'static str = "Says that nobody of the desk works on a case any more.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, CASE_ENDED, CASE_HELD_BY_ANOTHER];
    type Input = CaseUnassignInput;
    type Output = Case;
    type Subject = Seen<Case>;

    fn example() -> CaseUnassignInput {
        CaseUnassignInput { id: CaseId::EXAMPLE, version: 1 }
    }

    async fn subject(cx: &Context, input: &CaseUnassignInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: CaseUnassignInput) -> Result<Case> {
        let mut work = Work::on(cx, allowed, input.version).await?;
        work.ensure_open()?;
        work.next.assignee_id = None;
        work.done(cx, "unassigned").await
    }
}
