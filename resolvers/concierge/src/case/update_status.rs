use super::{CASE_HELD_BY_ANOTHER, CHANGE, work::Work};
use crate::prelude::*;
use concierge::case::{CASE_INVALID_TRANSITION, Case, CaseId, CaseState};

#[input]
pub struct CaseUpdateStatusInput {
    pub id: CaseId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// `TRIAGED`, `IN_PROGRESS`, `WAITING_OWNER` or `WAITING_EXTERNAL`; the others have verbs of their own.
    pub state: CaseState,
    /// The one for whom it waits; needed for `WAITING_EXTERNAL`.
    #[text(200)]
    pub waiting_for: Option<String>,
    /// Until when it waits, at most.
    pub waiting_until: Option<Time>,
}

pub struct UpdateStatus;

impl Procedure for UpdateStatus {
    const NAME: &'static str = "case/v1/updateStatus";
    const ABOUT: &'static str =
        "Moves a case to another state of the work: triaged, in progress, or waiting for its owner or for others.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, CASE_INVALID_TRANSITION, CASE_HELD_BY_ANOTHER];
    type Input = CaseUpdateStatusInput;
    type Output = Case;
    type Subject = Seen<Case>;

    fn example() -> CaseUpdateStatusInput {
        CaseUpdateStatusInput {
            id: CaseId::EXAMPLE,
            version: 1,
            state: CaseState::WaitingExternal,
            waiting_for: Some("Saguaro Ridge HOA".into()),
            waiting_until: None,
        }
    }

    async fn subject(cx: &Context, input: &CaseUpdateStatusInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: CaseUpdateStatusInput) -> Result<Case> {
        let CaseUpdateStatusInput { id: _, version, state, waiting_for, waiting_until } = input;
        let mut work = Work::on(cx, allowed, version).await?;
        let given: &[&str] = if waiting_for.is_some() { &["waitingFor"] } else { &[] };
        let asked = work.edit.state == CaseState::WaitingOwner;
        work.go(cx, Self::NAME, state, given)?;
        if asked {
            // Whoever goes on without an answer needs none any more.
            work.withdraw_questions(cx).await?;
        }
        if state.waiting() {
            if waiting_until.is_some_and(|until| until.0 <= cx.now()) {
                return Err(Error::invalid("waitingUntil", "TOO_EARLY", "must be later than now"));
            }
            (work.next.waiting_for, work.next.waiting_until) = (waiting_for, waiting_until);
        }
        work.done(cx, "moved").await
    }
}
