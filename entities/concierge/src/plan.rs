//! The times of a case: until when something was promised, when somebody is reminded, when the gateway has to look at it next. Pure
//! functions of the case, the desk's service level and the moment.

use crate::{
    case::{CaseState, Model, Told},
    service_level::Level,
};
use chrono::{DateTime, TimeDelta, Utc};
use kind::Edit;
use schema::Time;

/// A question that nobody answered is put before the lead this long after it was due.
pub const QUESTION_GRACE: TimeDelta = TimeDelta::days(1);

/// Something that the gateway does about a case when its time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Somebody is told, once.
    Tell(Told),
    /// An open question is reminded of, or put before the lead.
    Question,
    /// A resolved case closes by itself.
    Close,
}

impl Told {
    /// Whether the case is late by it.
    pub const fn late(self) -> bool {
        matches!(self, Told::AcknowledgeLate | Told::ResolveLate)
    }
}

impl Level {
    /// Whether the clock stands while a case is in a state.
    pub fn pauses(&self, state: CaseState) -> bool {
        match state {
            CaseState::WaitingOwner => self.promised.pauses_for_owner,
            CaseState::WaitingExternal => self.promised.pauses_for_others,
            _ => false,
        }
    }

    fn after(&self, from: DateTime<Utc>, work: TimeDelta) -> Option<Time> {
        self.hours.after(from, work.max(TimeDelta::zero())).map(Time)
    }

    /// When somebody is reminded of what is due.
    fn soon(&self, due: Option<Time>, now: DateTime<Utc>) -> Option<Time> {
        let soon = due?.0 - TimeDelta::minutes(self.promised.remind_minutes.into());
        // Nobody is reminded of what is due already, nor before there was anything.
        (soon > now).then_some(Time(soon))
    }
}

/// When something was due of which nothing is left: as it was promised, if that has passed, or now.
fn passed(due: Option<Time>, now: DateTime<Utc>) -> Time {
    due.filter(|due| due.0 < now).unwrap_or(Time(now))
}

impl Model {
    /// Counts the work that was done by the clock until now, by the level under which it was done, and stops the clock.
    pub fn stop(&mut self, level: &Level, now: DateTime<Utc>) {
        if let Some(since) = self.counting_since.take() {
            let worked = level.hours.between(since.0, now).num_seconds();
            self.worked_seconds = self.worked_seconds.saturating_add(i32::try_from(worked).unwrap_or(i32::MAX));
        }
    }

    /// Plans until when the desk promises to look at the case.
    pub fn plan_acknowledgement(&mut self, level: Option<&Level>, now: DateTime<Utc>) {
        if self.acknowledged_at.is_some() {
            self.acknowledge_soon = None;
            return;
        }
        let due = self.acknowledge_by;
        self.acknowledge_by = level.and_then(|level| {
            let left = level.promised.acknowledge(self.priority) - level.hours.between(self.created_at.0, now);
            if left > TimeDelta::zero() { level.after(now, left) } else { Some(passed(due, now)) }
        });
        self.acknowledge_soon = level.and_then(|level| level.soon(self.acknowledge_by, now));
        // One that is late already stays so.
        if self.acknowledge_by.is_some_and(|by| by.0 > now) {
            self.told.retain(|told| !matches!(told, Told::AcknowledgeSoon | Told::AcknowledgeLate));
        }
    }

    /// Plans until when the desk promises to resolve the case, with the clock stopped until now. It begins to run, unless it stands in
    /// this state.
    pub fn plan_resolution(&mut self, level: Option<&Level>, now: DateTime<Utc>) {
        let due = self.resolve_by;
        (self.resolve_by, self.resolve_soon) = (None, None);
        if let Some(level) = level.filter(|level| self.state.open() && !level.pauses(self.state)) {
            let left = level.promised.resolve(self.priority) - TimeDelta::seconds(self.worked_seconds.into());
            self.counting_since = Some(Time(now));
            // One that is late already stays due when it was.
            self.resolve_by = if left > TimeDelta::zero() { level.after(now, left) } else { Some(passed(due, now)) };
            self.resolve_soon = level.soon(self.resolve_by, now);
        }
        if self.resolve_by != due && self.resolve_by.is_some_and(|by| by.0 > now) {
            self.told.retain(|told| !matches!(told, Told::ResolveSoon | Told::ResolveLate));
        }
    }

    /// All that is still to come, each with its time.
    pub fn dues(&self) -> Vec<(Time, Due)> {
        let mut dues = Vec::new();
        let mut tell = |at: Option<Time>, told: Told| {
            dues.extend(at.filter(|_| !self.told.contains(&told)).map(|at| (at, Due::Tell(told))));
        };
        if self.state.open() {
            if self.acknowledged_at.is_none() {
                tell(self.acknowledge_soon, Told::AcknowledgeSoon);
                tell(self.acknowledge_by, Told::AcknowledgeLate);
            }
            tell(self.resolve_soon, Told::ResolveSoon);
            tell(self.resolve_by, Told::ResolveLate);
            if self.state.waiting() {
                tell(self.waiting_until, Told::WaitOver);
            }
            dues.extend(self.question_at.map(|at| (at, Due::Question)));
        }
        if self.state == CaseState::Resolved {
            dues.extend(self.closes_at.map(|at| (at, Due::Close)));
        }
        dues.sort_by_key(|(at, _)| *at);
        dues
    }

    /// Notes when the gateway has to look at the case next.
    pub fn next(&mut self) {
        self.next_at = self.dues().first().map(|(at, _)| *at);
    }
}

/// Takes a changed case over into its edit.
pub fn put(edit: &mut Edit<Model>, mut next: Model) {
    next.next();
    kind::settle!(edit, next:
        moved state, priority, kind, property_id, portfolio_id, desk_id, assignee_id, waiting_until, acknowledge_by, acknowledged_at,
            resolve_by, escalated_at, lead_id, resolution, resolved_at, closes_at, closed_at, reopen_until, cancelled_at, reopened_count;
        named title, description, waiting_for, resolution_summary, reason;
        silent worked_seconds, counting_since, acknowledge_soon, resolve_soon, open_questions, question_at, told, next_at;
    );
}
