use super::{CASE_HELD_BY_ANOTHER, CHANGE, work::Work};
use crate::prelude::*;
use chrono::TimeDelta;
use concierge::case::{CASE_INVALID_TRANSITION, Case, CaseId, CaseResolution, CaseState};

#[input]
pub struct CaseResolveInput {
    pub id: CaseId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// The end that the work came to.
    pub resolution: CaseResolution,
    /// What came of it, for the owner to read.
    #[text(5_000)]
    pub summary: String,
}

pub struct Resolve;

impl Procedure for Resolve {
    const NAME: &'static str = "case/v1/resolve";
    const ABOUT: &'static str =
        "Says that the work on a case is done, and what came of it. It closes by itself after a while, unless it is reopened.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, CASE_INVALID_TRANSITION, CASE_HELD_BY_ANOTHER];
    type Input = CaseResolveInput;
    type Output = Case;
    type Subject = Seen<Case>;

    fn example() -> CaseResolveInput {
        let summary = "A new zinc gutter; the roofer gives five years on it.".into();
        CaseResolveInput { id: CaseId::EXAMPLE, version: 1, resolution: CaseResolution::Done, summary }
    }

    async fn subject(cx: &Context, input: &CaseResolveInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: CaseResolveInput) -> Result<Case> {
        let CaseResolveInput { id: _, version, resolution, summary } = input;
        let mut work = Work::on(cx, allowed, version).await?;
        work.go(cx, Self::NAME, CaseState::Resolved, &["resolution", "summary"])?;
        work.withdraw_questions(cx).await?;
        let days = work.level.as_ref().map_or(CLOSES_AFTER, |level| level.promised.close_days);
        let next = &mut work.next;
        (next.resolution, next.resolution_summary) = (Some(resolution), Some(summary));
        next.resolved_at = Some(cx.now().into());
        next.closes_at = Some((cx.now() + TimeDelta::days(days.into())).into());
        work.done(cx, "resolved").await
    }
}

/// The days after which a case without a desk closes by itself.
const CLOSES_AFTER: i32 = 7;
