//! The work that all verbs of a case share: who may change it, the level of the desk that holds it, its times, and its event.

use super::{CASE_ENDED, CASE_HELD_BY_ANOTHER};
use crate::prelude::*;
use concierge::{
    case::{self, Case, CaseState, Fresh},
    case_question,
    intent::Intent,
    matter::{Matter, Priority},
    plan,
    service_level::{self, Level},
};
use kind::{Edit, Fresh as _};
use owners::{portfolio::PortfolioId, property::PropertyId};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use uuid::Uuid;

/// The words with which a case begins.
pub struct Opening<'a> {
    pub title: String,
    pub description: Option<String>,
    pub kind: Option<Matter>,
    pub property_id: Option<PropertyId>,
    pub portfolio_id: Option<PortfolioId>,
    pub priority: Option<Priority>,
    pub intent: Option<&'a Intent>,
    /// The desk that the owner chose.
    pub desk: Option<OrganizationId>,
}

/// A new case with its times planned. Only the transaction that writes it asks which desk will hold it.
pub async fn opened(cx: &Context, opening: Opening<'_>) -> Result<Fresh> {
    let Opening { title, description, kind, property_id, portfolio_id, priority, intent, desk } = opening;
    let mut fresh = Fresh {
        title,
        description,
        kind: kind.unwrap_or(Matter::Other),
        property_id,
        portfolio_id,
        intent_id: intent.map(|intent| intent.id),
        priority: priority.unwrap_or(Priority::Normal),
        state: CaseState::New,
        desk_id: desk,
        assignee_id: None,
        waiting_for: None,
        waiting_until: None,
        acknowledge_by: None,
        // A desk that opens it has looked at it.
        acknowledged_at: cx.actor.through.map(|_| cx.now().into()),
        resolve_by: None,
        escalated_at: None,
        lead_id: None,
        resolution: None,
        resolution_summary: None,
        resolved_at: None,
        closes_at: None,
        closed_at: None,
        reopen_until: None,
        cancelled_at: None,
        reason: None,
        reopened_count: 0,
        opened_by: cx.actor.principal,
        opener_organization_id: cx.organization(),
        lifecycle: case::LIFECYCLE,
        worked_seconds: 0,
        counting_since: None,
        acknowledge_soon: None,
        resolve_soon: None,
        open_questions: 0,
        question_at: None,
        told: Vec::new(),
        next_at: None,
        // One trace leads from the wish to the closing.
        traceparent: intent.and_then(|intent| intent.traceparent.clone()).or_else(schema::traceparent),
    };
    if !cx.locking() {
        return Ok(fresh);
    }
    let (owner, now) = (cx.owner(), cx.now());
    let (tx, about) = (cx.tx().await?, (owner, property_id));
    let level = match desk.or_else(|| cx.actor.through.map(|_| cx.organization())) {
        Some(desk) => Some((desk, service_level::at(tx, about, desk, now).await?)),
        None => service_level::of_only_desk(tx, about, now).await?,
    };
    let Some((desk, level)) = level else { return Ok(fresh) };
    fresh.desk_id = Some(desk);
    let mut planned = fresh.clone().row(Uuid::nil(), owner, now.into());
    planned.plan_acknowledgement(Some(&level), now);
    planned.plan_resolution(Some(&level), now);
    planned.next();
    let case::Model { acknowledge_by, acknowledge_soon, resolve_by, resolve_soon, counting_since, next_at, .. } = planned;
    Ok(Fresh { acknowledge_by, acknowledge_soon, resolve_by, resolve_soon, counting_since, next_at, ..fresh })
}

/// A case while it is changed.
pub struct Work {
    pub edit: Edit<Case>,
    /// The case as it will be.
    pub next: Case,
    /// The level of the desk that holds it.
    pub level: Option<Level>,
    /// The level that counted when the clock began to run, if it was another.
    before: Option<Level>,
}

impl Work {
    /// Begins the change of a case that was read in this version.
    pub async fn on(cx: &Context, allowed: Allowed<Seen<Case>>, version: i32) -> Result<Self> {
        let edit = cx.edit(allowed, version)?;
        Work::with(cx, edit).await
    }

    /// Begins the change of a case in whatever version it is.
    pub async fn on_any(cx: &Context, allowed: Allowed<Seen<Case>>) -> Result<Self> {
        let edit = cx.edit_any(allowed);
        Work::with(cx, edit).await
    }

    async fn with(cx: &Context, edit: Edit<Case>) -> Result<Self> {
        let mut next = edit.clone();
        if !held(cx, &edit).await? {
            // The desk that held it is not let in any more.
            (next.desk_id, next.assignee_id, next.lead_id) = (None, None, None);
        }
        if cx.actor.through.is_some() {
            next.desk_id.get_or_insert(cx.organization());
            if next.state.open() {
                next.acknowledged_at.get_or_insert(cx.now().into());
            }
        }
        let level = match next.desk_id {
            Some(desk) => {
                Some(service_level::at(cx.tx().await?, (edit.organization_id, edit.property_id), desk, cx.now()).await?)
            }
            None => None,
        };
        // What was worked before a level began counts by the level before.
        let begun = |since: Time| level.as_ref().is_some_and(|level| since < level.promised.starts_at);
        let before = match (next.counting_since, edit.desk_id) {
            (Some(since), Some(desk)) if edit.desk_id != next.desk_id || begun(since) => {
                Some(service_level::at(cx.tx().await?, (edit.organization_id, edit.property_id), desk, since.0).await?)
            }
            _ => None,
        };
        let mut work = Work { edit, next, level, before };
        if work.next.desk_id != work.edit.desk_id {
            work.replan(cx);
        } else if work.next.acknowledged_at.is_some() {
            work.next.acknowledge_soon = None;
        }
        Ok(work)
    }

    /// Moves the case to another state. The clock stands or runs on, as the desk promised for that state.
    pub fn go(&mut self, cx: &Context, procedure: &str, to: CaseState, given: &[&str]) -> Result<()> {
        let state = self.next.state.to_by(procedure, to, given)?;
        let stands = |state: CaseState| !state.open() || self.level.as_ref().is_none_or(|level| level.pauses(state));
        // Where the clock runs on, or stands on, nothing is planned anew.
        let goes_on = stands(self.next.state) == stands(state) && self.before.is_none();
        if !goes_on {
            self.stop(cx);
        }
        self.next.state = state;
        if !state.waiting() {
            (self.next.waiting_for, self.next.waiting_until) = (None, None);
        }
        self.next.told.retain(|told| *told != case::Told::WaitOver);
        if !goes_on {
            self.run(cx);
        }
        Ok(())
    }

    /// Counts the work until now.
    fn stop(&mut self, cx: &Context) {
        if let Some(level) = self.before.as_ref().or(self.level.as_ref()) {
            self.next.stop(level, cx.now());
        }
    }

    /// Plans from now on.
    fn run(&mut self, cx: &Context) {
        self.next.plan_resolution(self.level.as_ref(), cx.now());
    }

    /// Plans anew until when it is resolved.
    pub fn rerun(&mut self, cx: &Context) {
        self.stop(cx);
        self.run(cx);
    }

    /// Plans anew what is promised: by another level, or for another priority.
    pub fn replan(&mut self, cx: &Context) {
        self.stop(cx);
        self.next.plan_acknowledgement(self.level.as_ref(), cx.now());
        self.run(cx);
    }

    /// Plans anew what is promised: by another desk, or for another property, whose hours may be those of another time zone.
    pub async fn elsewhere(&mut self, cx: &Context) -> Result<()> {
        let Some(desk) = self.next.desk_id else { return Ok(()) };
        let about = (self.edit.organization_id, self.next.property_id);
        let level = service_level::at(cx.tx().await?, about, desk, cx.now()).await?;
        // What was worked until now counts by the hours of before.
        self.before = self.before.take().or(self.level.replace(level));
        self.replan(cx);
        Ok(())
    }

    /// Gives the case to another desk, of which nobody works on it yet.
    pub async fn hand_over(&mut self, cx: &Context, desk: OrganizationId) -> Result<()> {
        if self.next.desk_id == Some(desk) {
            return Ok(());
        }
        (self.next.desk_id, self.next.assignee_id, self.next.lead_id) = (Some(desk), None, None);
        self.elsewhere(cx).await
    }

    /// Refuses a change of a case on which nobody works any more.
    pub fn ensure_open(&self) -> Result<()> {
        if self.edit.state.open() { Ok(()) } else { Err(Error::new(CASE_ENDED)) }
    }

    /// Takes back the questions that are open, which nobody has to answer any more.
    pub async fn withdraw_questions(&mut self, cx: &Context) -> Result<()> {
        if self.next.open_questions == 0 {
            return Ok(());
        }
        let open = case_question::open(self.edit.organization_id, self.edit.id).all(cx.tx().await?).await?;
        for question in open {
            let mut question = Edit::following(question);
            let state = question.state.to(case_question::QuestionState::Withdrawn)?;
            question.moved("state", Some(question.state.as_str().into()), Some(state.as_str().into()));
            question.active.state = sea_orm::ActiveValue::Set(state);
            question.active.next_at = sea_orm::ActiveValue::Set(None);
            cx.save(question, "withdrawn").await?;
        }
        (self.next.open_questions, self.next.question_at) = (0, None);
        Ok(())
    }

    /// Writes the case, with an event of this name.
    pub async fn done(mut self, cx: &Context, verb: &'static str) -> Result<Case> {
        plan::put(&mut self.edit, self.next);
        cx.save(self.edit, verb).await
    }
}

/// Whether the desk that holds a case, if one does, may still act. Refused, if the actor works for another desk while it may.
async fn held(cx: &Context, case: &Case) -> Result<bool> {
    let Some(desk) = case.desk_id.filter(|desk| *desk != cx.organization()) else { return Ok(true) };
    let acts = acts(cx, case.organization_id, desk).await?;
    if acts && cx.actor.kind != schema::PrincipalKind::System && !case.held(cx.organization()) {
        return Err(Error::new(CASE_HELD_BY_ANOTHER));
    }
    Ok(acts)
}

/// Refuses the change of a case that another desk holds.
pub async fn ensure_held(cx: &Context, case: &Case) -> Result<()> {
    held(cx, case).await.map(drop)
}

/// Whether an owner lets a desk act now.
pub async fn acts(cx: &Context, owner: OrganizationId, desk: OrganizationId) -> Result<bool> {
    let values = [owner.0.into(), desk.0.into(), cx.now().into()];
    asked(cx, "SELECT app.lets_act($1, $2, $3) AS yes", values).await
}

/// Refuses somebody who does not work for the acting desk now.
pub async fn ensure_of_desk(cx: &Context, field: &str, who: schema::PrincipalId) -> Result<()> {
    let values = [cx.organization().0.into(), who.0.into(), cx.now().into()];
    match asked(cx, "SELECT app.works_for($1, $2, $3) AS yes", values).await? {
        true => Ok(()),
        false => Err(Error::invalid(field, "NOT_OF_THE_DESK", "nobody who works for the desk has this id")),
    }
}

async fn asked(cx: &Context, sql: &str, values: [sea_orm::Value; 3]) -> Result<bool> {
    let row = cx.tx().await?.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    Ok(row.map(|row| row.try_get("", "yes")).transpose()?.unwrap_or(false))
}
