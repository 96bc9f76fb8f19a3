use super::{CASE_HELD_BY_ANOTHER, CASE_REOPEN_TOO_LATE, CHANGE, work::Work};
use crate::prelude::*;
use concierge::case::{CASE_INVALID_TRANSITION, Case, CaseId, CaseState};

#[input]
pub struct CaseReopenInput {
    pub id: CaseId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// What is still to be done.
    #[text(1_000)]
    pub reason: String,
}

pub struct Reopen;

impl Procedure for Reopen {
    const NAME: &'static str = "case/v1/reopen";
    const ABOUT: &'static str = "Takes the work on a case up again: on a resolved one at any time, on a closed one for a while.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] =
        &[Code::VERSION_CONFLICT, CASE_INVALID_TRANSITION, CASE_REOPEN_TOO_LATE, CASE_HELD_BY_ANOTHER];
    type Input = CaseReopenInput;
    type Output = Case;
    type Subject = Seen<Case>;

    fn example() -> CaseReopenInput {
        CaseReopenInput { id: CaseId::EXAMPLE, version: 1, reason: "It drips again.".into() }
    }

    async fn subject(cx: &Context, input: &CaseReopenInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: CaseReopenInput) -> Result<Case> {
        let mut work = Work::on(cx, allowed, input.version).await?;
        if work.edit.state == CaseState::Closed && work.edit.reopen_until.is_some_and(|until| until.0 < cx.now()) {
            return Err(Error::new(CASE_REOPEN_TOO_LATE));
        }
        // The desk has as long as for a new case.
        work.next.worked_seconds = 0;
        work.go(cx, Self::NAME, CaseState::InProgress, &["reason"])?;
        let next = &mut work.next;
        (next.resolution, next.resolution_summary, next.resolved_at) = (None, None, None);
        (next.closes_at, next.closed_at, next.reopen_until) = (None, None, None);
        next.reason = Some(input.reason);
        next.reopened_count += 1;
        work.done(cx, "reopened").await
    }
}
