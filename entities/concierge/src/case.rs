//! Cases: the work on what an owner wants done, from the wish to the closing, through delays and people.

use crate::{
    matter::{Matter, Priority},
    prelude::*,
};
use chrono::{DateTime, Utc};
use owners::{
    portfolio::{self, PortfolioId},
    property::PropertyId,
};
use schema::{Number, Result, Tx};
use sea_orm::{
    Condition, ConnectionTrait, DbBackend, Statement,
    sea_query::{Expr, ExprTrait, SimpleExpr},
};
use std::collections::HashSet;

pub use crate::intent::{CaseId, IntentId};

schema::codes! {
    CASE_INVALID_TRANSITION: Conflict, "The case cannot go there from where it stands; see details.allowed.";
}

states!(
    /// Where a case stands.
    CaseState of "concierge_case", refusing CASE_INVALID_TRANSITION {
        new => [New by "case/v1/create" | "intent/v1/convertToCase"],
        /// Nobody of the desk has looked at it yet.
        New = "NEW" => [
            Triaged by "case/v1/triage" | "case/v1/updateStatus",
            Cancelled by "case/v1/cancel" with "reason",
        ],
        /// Somebody looked at it, and said what it is and how urgent.
        Triaged = "TRIAGED" => [
            InProgress by "case/v1/updateStatus",
            Cancelled by "case/v1/cancel" with "reason",
        ],
        /// Somebody works on it.
        InProgress = "IN_PROGRESS" => [
            WaitingOwner by "case/v1/updateStatus" | "case/v1/ask",
            WaitingExternal by "case/v1/updateStatus" with "waitingFor",
            Resolved by "case/v1/resolve" with "resolution" & "summary",
            Cancelled by "case/v1/cancel" with "reason",
        ],
        /// The owner has to answer something.
        WaitingOwner = "WAITING_OWNER" => [
            InProgress by "case/v1/updateStatus" | "case/v1/answer",
            Resolved by "case/v1/resolve" with "resolution" & "summary",
            Cancelled by "case/v1/cancel" with "reason",
        ],
        /// Somebody outside has to do something.
        WaitingExternal = "WAITING_EXTERNAL" => [
            InProgress by "case/v1/updateStatus",
            Resolved by "case/v1/resolve" with "resolution" & "summary",
            Cancelled by "case/v1/cancel" with "reason",
        ],
        /// The work is done. It closes by itself after a while.
        Resolved = "RESOLVED" => [
            Closed by "case/v1/close" | "case/v1/advance",
            InProgress by "case/v1/reopen" with "reason",
        ],
        /// It can be reopened for a while.
        Closed = "CLOSED" => [InProgress by "case/v1/reopen" with "reason"],
        Cancelled = "CANCELLED" => [],
    }
);

text_enum!(
    /// The end that the work on a case came to.
    CaseResolution {
        /// All that was wanted is done.
        Done = "DONE",
        /// Some of it is done.
        PartlyDone = "PARTLY_DONE",
        /// It cannot be done.
        NotPossible = "NOT_POSSIBLE",
        /// It is not wanted any more.
        NotNeeded = "NOT_NEEDED",
        /// Another case is about the same.
        Duplicate = "DUPLICATE",
    }
);

text_enum!(
    /// Something that the gateway said about a case on time, once.
    Told {
        AcknowledgeSoon = "ACKNOWLEDGE_SOON",
        AcknowledgeLate = "ACKNOWLEDGE_LATE",
        ResolveSoon = "RESOLVE_SOON",
        ResolveLate = "RESOLVE_LATE",
        WaitOver = "WAIT_OVER",
    }
);

/// The version of the lifecycle that new cases begin with.
pub const LIFECYCLE: i32 = 1;

/// The work on what an owner wants done. A property may have many.
#[kind(
    Case,
    table = "concierge_case",
    kind = "case",
    delegated = Thing,
    names = property_id,
    possible = possible,
    prepared = freed,
)]
pub struct Model {
    pub id: CaseId,
    /// Whose case it is: the owner's.
    pub organization_id: OrganizationId,
    /// Such as `C-1042`; dense within an organization.
    #[given]
    #[fixed]
    pub number: Number<'C'>,
    /// What it is called.
    pub title: String,
    /// More about it, in somebody's own words.
    pub description: Option<String>,
    /// The sort of thing that is to be done.
    pub kind: Matter,
    pub property_id: Option<PropertyId>,
    pub portfolio_id: Option<PortfolioId>,
    /// The intent that it came of.
    #[fixed]
    pub intent_id: Option<IntentId>,
    /// How urgent it is.
    pub priority: Priority,
    #[given]
    #[fixed]
    #[hidden]
    pub priority_rank: i32,
    pub state: CaseState,
    /// The desk that holds it. Null: any desk that may act can take it.
    pub desk_id: Option<OrganizationId>,
    /// Who of the desk works on it.
    pub assignee_id: Option<PrincipalId>,
    /// The one outside whom it waits for.
    pub waiting_for: Option<String>,
    /// Until when it waits, at most.
    pub waiting_until: Option<Time>,
    /// Until when the desk promised to look at it.
    pub acknowledge_by: Option<Time>,
    /// When the desk first looked at it.
    pub acknowledged_at: Option<Time>,
    /// Until when the desk promised to resolve it. Null while the clock stands.
    pub resolve_by: Option<Time>,
    #[given]
    #[fixed]
    #[hidden]
    pub due_sort: Time,
    /// When it was late, the last time that it was.
    pub escalated_at: Option<Time>,
    /// Who of the desk was told so.
    pub lead_id: Option<PrincipalId>,
    /// The end that the work came to.
    pub resolution: Option<CaseResolution>,
    /// What came of it, for the owner to read.
    pub resolution_summary: Option<String>,
    /// When the work was done.
    pub resolved_at: Option<Time>,
    /// When it closes by itself, if nobody reopens it.
    pub closes_at: Option<Time>,
    /// When it was closed.
    pub closed_at: Option<Time>,
    /// Until when it can be reopened. Null: as long as it is not closed.
    pub reopen_until: Option<Time>,
    /// When it was ended for good.
    pub cancelled_at: Option<Time>,
    /// Why it was closed or cancelled, or reopened the last time.
    pub reason: Option<String>,
    /// How often it was taken up again.
    pub reopened_count: i32,
    /// Who opened it.
    #[fixed]
    pub opened_by: PrincipalId,
    /// The organization that they acted for.
    #[fixed]
    pub opener_organization_id: OrganizationId,
    /// The version of the lifecycle that it began with, and ends with.
    #[fixed]
    #[hidden]
    pub lifecycle: i32,
    /// The seconds of work that were counted until the clock began to run again.
    #[hidden]
    pub worked_seconds: i32,
    /// Since when the clock runs. Null: it stands.
    #[hidden]
    pub counting_since: Option<Time>,
    #[hidden]
    pub acknowledge_soon: Option<Time>,
    #[hidden]
    pub resolve_soon: Option<Time>,
    #[hidden]
    pub open_questions: i32,
    /// When the next of its open questions is due.
    #[hidden]
    pub question_at: Option<Time>,
    #[hidden]
    pub told: Vec<Told>,
    /// The next time at which the gateway does something about it.
    #[hidden]
    pub next_at: Option<Time>,
    #[fixed]
    #[hidden]
    pub traceparent: Option<String>,
    /// For optimistic locking: send it with a change.
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

impl CaseState {
    /// Whether there is still something to do.
    pub const fn open(self) -> bool {
        !matches!(self, CaseState::Resolved | CaseState::Closed | CaseState::Cancelled)
    }

    pub const fn waiting(self) -> bool {
        matches!(self, CaseState::WaitingOwner | CaseState::WaitingExternal)
    }
}

impl Model {
    /// Whether an organization may change the case: its owner may, and the desk that holds it, or any where none does.
    pub fn held(&self, acting: OrganizationId) -> bool {
        acting == self.organization_id || self.desk_id.is_none_or(|desk| desk == acting)
    }
}

/// A desk that may act no more holds no case, for whoever asks what they may do about it.
async fn freed(tx: &Tx, rows: &mut [Model], acting: OrganizationId, now: DateTime<Utc>) -> Result<()> {
    let held = |row: &Model| row.desk_id.filter(|_| !row.held(acting)).map(|desk| (row.organization_id, desk));
    let (owners, desks): (Vec<Uuid>, Vec<Uuid>) = rows.iter().filter_map(held).map(|(owner, desk)| (owner.0, desk.0)).unzip();
    if owners.is_empty() {
        return Ok(());
    }
    const SQL: &str = "SELECT DISTINCT h.owner, h.desk FROM unnest($1::uuid[], $2::uuid[]) AS h(owner, desk) WHERE NOT app.lets_act(h.owner, h.desk, $3)";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, SQL, [owners.into(), desks.into(), now.into()]);
    let mut dismissed = HashSet::new();
    for row in tx.query_all_raw(statement).await? {
        dismissed.insert((OrganizationId(row.try_get("", "owner")?), OrganizationId(row.try_get("", "desk")?)));
    }
    for row in rows {
        row.desk_id = row.desk_id.filter(|desk| !dismissed.contains(&(row.organization_id, *desk)));
    }
    Ok(())
}

/// Whether a case is in a state for a verb, and one that this organization may change.
fn possible(row: &Model, verb: &str, acting: OrganizationId, now: DateTime<Utc>) -> bool {
    if !row.held(acting) {
        return false;
    }
    let procedure = format!("case/v1/{verb}");
    let moves = CaseState::MACHINE.moved_by(row.state.as_str(), &procedure);
    match verb {
        // Another question may be put while one is open.
        "ask" => moves || row.state == CaseState::WaitingOwner,
        "answer" => row.open_questions > 0,
        "reopen" => moves && row.reopen_until.is_none_or(|until| until.0 >= now),
        "assign" | "changePriority" | "update" => row.state.open(),
        "unassign" => row.state.open() && row.assignee_id.is_some(),
        "addNote" | "addInternalNote" | "link" | "unlink" => true,
        _ => moves || !CaseState::MACHINE.moves_by(&procedure),
    }
}

/// Which cases.
#[filter]
pub struct CaseFilter {
    /// Words, each of which occurs in the title or the description.
    #[search]
    #[text(100)]
    pub search: Option<String>,
    /// The case with this number.
    #[is(Number)]
    pub number: Option<Number<'C'>>,
    /// Any of these. Absent: all.
    #[any(State)]
    pub state: Option<Vec<CaseState>>,
    /// Still open: neither resolved, closed nor cancelled; or not.
    #[by(still_open)]
    pub open: Option<bool>,
    /// Any of these.
    #[any(Priority)]
    pub priority: Option<Vec<Priority>>,
    /// Any of these.
    #[any(Kind)]
    pub kind: Option<Vec<Matter>>,
    #[is(PropertyId)]
    pub property_id: Option<PropertyId>,
    /// About this portfolio, or about a property in it.
    #[by(of_portfolio)]
    pub portfolio_id: Option<PortfolioId>,
    /// That came of this intent.
    #[is(IntentId)]
    pub intent_id: Option<IntentId>,
    /// That this desk holds.
    #[is(DeskId)]
    pub desk_id: Option<OrganizationId>,
    /// On which this person works.
    #[is(AssigneeId)]
    pub assignee_id: Option<PrincipalId>,
    /// Due before this time.
    #[until(ResolveBy)]
    pub due_until: Option<Time>,
    /// Late once, or never.
    #[set(EscalatedAt)]
    pub escalated: Option<bool>,
    /// Changed at this time or later.
    #[from(UpdatedAt)]
    pub updated_since: Option<Time>,
}

fn still_open(open: bool) -> SimpleExpr {
    let states: Vec<&str> = CaseState::ALL.iter().filter(|state| state.open() == open).map(|state| state.as_str()).collect();
    Expr::col((Entity, Column::State)).is_in(states)
}

fn of_portfolio(id: PortfolioId) -> Condition {
    let within = portfolio::holding((Entity, Column::OrganizationId), (Entity, Column::PropertyId), id);
    Condition::any().add(Column::PortfolioId.eq(id)).add(within)
}

orders!(CaseOrder of CaseFilter, else CreatedDesc {
    // Ids are made in the order of their time.
    CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": Id;
    UpdatedAsc = "UPDATED_ASC", UpdatedDesc = "UPDATED_DESC": UpdatedAt;
    PriorityAsc = "PRIORITY_ASC", PriorityDesc = "PRIORITY_DESC": PriorityRank;
    DueAsc = "DUE_ASC", DueDesc = "DUE_DESC": DueSort;
});
