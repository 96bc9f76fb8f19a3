//! The verb of the lifecycle: what the gateway does about a case when its time has come.

use super::{CHANGE, end::close, work::Work};
use crate::prelude::*;
use chrono::{DateTime, Utc};
use concierge::{
    case::{Case, CaseId, Told},
    case_question,
    matter::Priority,
    plan::{Due, QUESTION_GRACE},
};
use kind::Edit;
use schema::Life;
use sea_orm::ActiveValue::Set;

/// The lifecycle of a case: all that happens on time.
pub const LIFE: Life = Life::of::<Advance>("case_lifecycle", 1);

timed!(
    Advance "case/v1/advance" CaseAdvanceInput of Case, such as CaseId::DUE_EXAMPLE;
    "Does what a case's time has come for: reminds, tells that it is late, closes it.";
    CHANGE, changes_rights: false, errors: [];
    advance
);

async fn advance(cx: &Context, allowed: Allowed<Seen<Case>>) -> Result<Case> {
    let mut work = Work::on_any(cx, allowed).await?;
    let (now, mut late, mut verb) = (cx.now(), false, "looked_at");
    for (_, due) in work.next.dues().into_iter().filter(|(at, _)| at.0 <= now) {
        match due {
            Due::Tell(told) => {
                work.next.told.push(told);
                late |= told.late();
                verb = if late { "escalated" } else { "reminded" };
            }
            Due::Question => {
                late |= remind(cx, &mut work, now).await?;
                verb = if late { "escalated" } else { "reminded" };
            }
            Due::Close => {
                close(cx, Advance::NAME, &mut work)?;
                verb = "closed";
            }
        }
    }
    if late {
        escalate(cx, &mut work, now);
    }
    // What was told stands in the event.
    if work.next.told != work.edit.told {
        let names = |told: &[Told]| told.iter().map(|told| told.as_str()).collect::<Vec<_>>();
        let (from, to) = (names(&work.edit.told).into(), names(&work.next.told).into());
        work.edit.moved("told", Some(from), Some(to));
    }
    work.done(cx, verb).await
}

/// A late case is more urgent, and the desk's lead is told.
fn escalate(cx: &Context, work: &mut Work, now: DateTime<Utc>) {
    let next = &mut work.next;
    next.escalated_at = Some(now.into());
    next.priority = match next.priority {
        Priority::Low => Priority::Normal,
        Priority::Normal => Priority::High,
        Priority::High | Priority::Urgent => Priority::Urgent,
    };
    next.lead_id = work.level.as_ref().and_then(|level| level.promised.lead_id).or(next.lead_id);
    // A higher priority is promised more, unless that is broken already.
    if next.priority != work.edit.priority && !next.told.contains(&Told::ResolveLate) {
        work.rerun(cx);
    }
}

/// Reminds of the questions whose time has come, and tells of those of which it was reminded before. Whether there was one of these.
async fn remind(cx: &Context, work: &mut Work, now: DateTime<Utc>) -> Result<bool> {
    let open = case_question::open(work.edit.organization_id, work.edit.id).all(cx.tx().await?).await?;
    let (mut late, mut next_at) = (false, None::<Time>);
    for question in open {
        let mut at = question.next_at;
        if at.is_some_and(|at| at.0 <= now) {
            let mut question = Edit::following(question);
            let verb = if question.reminded_at.is_none() {
                question.changed("reminded_at");
                question.active.reminded_at = Set(Some(now.into()));
                at = Some((now + QUESTION_GRACE).into());
                "reminded"
            } else {
                question.changed("escalated_at");
                question.active.escalated_at = Set(Some(now.into()));
                (at, late) = (None, true);
                "escalated"
            };
            question.active.next_at = Set(at);
            cx.save(question, verb).await?;
        }
        next_at = [next_at, at].into_iter().flatten().min();
    }
    work.next.question_at = next_at;
    Ok(late)
}
