use super::{CASE_HELD_BY_ANOTHER, CHANGE, work::Work};
use crate::prelude::*;
use chrono::TimeDelta;
use concierge::case::{CASE_INVALID_TRANSITION, Case, CaseId, CaseState};

/// The days within which a case without a desk can be reopened.
const REOPENS_WITHIN: i32 = 30;

/// Closes a case that is resolved. It can be reopened for a while.
pub fn close(cx: &Context, procedure: &str, work: &mut Work) -> Result<()> {
    work.go(cx, procedure, CaseState::Closed, &[])?;
    let days = work.level.as_ref().map_or(REOPENS_WITHIN, |level| level.promised.reopen_days);
    let next = &mut work.next;
    (next.closed_at, next.closes_at) = (Some(cx.now().into()), None);
    next.reopen_until = Some((cx.now() + TimeDelta::days(days.into())).into());
    Ok(())
}

#[input]
pub struct CaseCloseInput {
    pub id: CaseId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// Why it is closed.
    #[text(1_000)]
    pub reason: Option<String>,
}

pub struct Close;

impl Procedure for Close {
    const NAME: &'static str = "case/v1/close";
    const ABOUT: &'static str = "Closes a case whose work is done. It can be reopened for a while.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, CASE_INVALID_TRANSITION, CASE_HELD_BY_ANOTHER];
    type Input = CaseCloseInput;
    type Output = Case;
    type Subject = Seen<Case>;

    fn example() -> CaseCloseInput {
        CaseCloseInput { id: CaseId::EXAMPLE, version: 1, reason: Some("All is well.".into()) }
    }

    async fn subject(cx: &Context, input: &CaseCloseInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: CaseCloseInput) -> Result<Case> {
        let mut work = Work::on(cx, allowed, input.version).await?;
        close(cx, Self::NAME, &mut work)?;
        work.next.reason = input.reason;
        work.done(cx, "closed").await
    }
}

#[input]
pub struct CaseCancelInput {
    pub id: CaseId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// Why nothing more is done.
    #[text(1_000)]
    pub reason: String,
}

pub struct Cancel;

impl Procedure for Cancel {
    const NAME: &'static str = "case/v1/cancel";
    const ABOUT: &'static str = "Ends an open case for good: nothing more is done about it.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, CASE_INVALID_TRANSITION, CASE_HELD_BY_ANOTHER];
    type Input = CaseCancelInput;
    type Output = Case;
    type Subject = Seen<Case>;

    fn example() -> CaseCancelInput {
        CaseCancelInput { id: CaseId::EXAMPLE, version: 1, reason: "A neighbour mended it.".into() }
    }

    async fn subject(cx: &Context, input: &CaseCancelInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: CaseCancelInput) -> Result<Case> {
        let mut work = Work::on(cx, allowed, input.version).await?;
        work.go(cx, Self::NAME, CaseState::Cancelled, &["reason"])?;
        work.withdraw_questions(cx).await?;
        work.next.cancelled_at = Some(cx.now().into());
        work.next.reason = Some(input.reason);
        work.done(cx, "cancelled").await
    }
}
