use super::{CASE_ENDED, CASE_HELD_BY_ANOTHER, CHANGE, work::Work};
use crate::prelude::*;
use concierge::{
    case::{Case, CaseId},
    matter::Priority,
};

#[input]
pub struct CaseChangePriorityInput {
    pub id: CaseId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// How urgent it is from now on.
    pub priority: Priority,
}

pub struct ChangePriority;

impl Procedure for ChangePriority {
    const NAME: &'static str = "case/v1/changePriority";
    const ABOUT: &'static str =
        "Says how urgent a case is. What the desk promised is planned anew; the time that it took so far counts.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, CASE_ENDED, CASE_HELD_BY_ANOTHER];
    type Input = CaseChangePriorityInput;
    type Output = Case;
    type Subject = Seen<Case>;

    fn example() -> CaseChangePriorityInput {
        CaseChangePriorityInput { id: CaseId::EXAMPLE, version: 1, priority: Priority::Urgent }
    }

    async fn subject(cx: &Context, input: &CaseChangePriorityInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: CaseChangePriorityInput) -> Result<Case> {
        let mut work = Work::on(cx, allowed, input.version).await?;
        work.ensure_open()?;
        if work.next.priority != input.priority {
            work.next.priority = input.priority;
            work.replan(cx);
        }
        work.done(cx, "reprioritized").await
    }
}
