//! The queue of a desk: all that waits for somebody, over all owners who let it act. The database itself keeps it, in the transaction
//! that changes the owner's row.

use crate::{case::CaseId, case_question::CaseQuestionId, intent::IntentId, matter::Priority, prelude::*};
use async_graphql::SimpleObject;
use owners::property::PropertyId;
use schema::{Error, Reading, Result, Tx};
use schemars::JsonSchema;
use sea_orm::{
    ConnectionTrait, DbBackend, Statement,
    sea_query::{self, Expr, ExprTrait, SimpleExpr},
};
use serde::{Deserialize, Serialize};

schema::id!(
    /// One item of a desk's queue.
    WorkItemId = 0x1f1
);

text_enum!(
    /// The sort of thing that waits.
    WorkItemKind {
        /// A case that is open.
        Case = "CASE",
        /// A question that its owner has not answered.
        Question = "QUESTION",
        /// A wish of which nothing was made yet.
        Intent = "INTENT",
    }
);

text_enum!(
    /// The state of the thing that waits.
    WorkItemState {
        /// A wish that nobody has read.
        Submitted = "SUBMITTED",
        /// A wish that somebody has read.
        Classified = "CLASSIFIED",
        /// A case that nobody has looked at.
        New = "NEW",
        /// A case that somebody took on.
        Triaged = "TRIAGED",
        /// A case that somebody works on.
        InProgress = "IN_PROGRESS",
        /// A case whose owner was asked.
        WaitingOwner = "WAITING_OWNER",
        /// A case that waits for somebody outside.
        WaitingExternal = "WAITING_EXTERNAL",
        /// A question without an answer.
        Open = "OPEN",
    }
);

text_enum!(
    /// The one who has to do something next.
    WaitingFor {
        /// Somebody of the desk.
        Desk = "DESK",
        /// The owner.
        Owner = "OWNER",
        /// Somebody outside.
        Others = "OTHERS",
    }
);

/// Something that waits for somebody, in the queue of a desk.
#[kind(WorkItem, table = "work_item", acting, projected)]
pub struct Model {
    pub id: WorkItemId,
    /// The desk.
    pub organization_id: OrganizationId,
    /// Whose it is.
    pub owner_organization_id: OrganizationId,
    /// The case, the question or the intent that waits.
    #[hidden]
    pub item_id: Uuid,
    /// The sort of thing that waits.
    pub kind: WorkItemKind,
    /// The case that waits, or that the question is about.
    pub case_id: Option<CaseId>,
    /// The intent that waits.
    pub intent_id: Option<IntentId>,
    /// The question that waits.
    pub question_id: Option<CaseQuestionId>,
    /// The property that it is about.
    pub property_id: Option<PropertyId>,
    /// The number of its case or intent.
    pub number: String,
    /// What it is called, or the first words of it.
    pub title: String,
    /// The state of the thing that waits.
    pub state: WorkItemState,
    /// How urgent it is.
    pub priority: Priority,
    #[hidden]
    pub priority_rank: i32,
    /// When somebody has to have done something.
    pub due_at: Option<Time>,
    #[hidden]
    pub due_sort: Time,
    /// Who of the desk works on it.
    pub assignee_id: Option<PrincipalId>,
    /// Who has to do something next.
    pub waiting_for: WaitingFor,
    /// Whether it was late once.
    pub late: bool,
    /// The version of the thing that waits.
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

/// Which items.
#[filter]
pub struct WorkItemFilter {
    /// Words, each of which occurs in the thing that waits.
    #[search]
    #[text(100)]
    pub search: Option<String>,
    /// Any of these.
    #[any(Kind)]
    pub kind: Option<Vec<WorkItemKind>>,
    /// Any of these.
    #[any(State)]
    pub state: Option<Vec<WorkItemState>>,
    /// Any of these.
    #[any(Priority)]
    pub priority: Option<Vec<Priority>>,
    /// Of any of these owners.
    #[by(of_owners)]
    #[count(0, 100)]
    pub organization_ids: Option<Vec<OrganizationId>>,
    #[is(PropertyId)]
    pub property_id: Option<PropertyId>,
    /// About this case.
    #[is(CaseId)]
    pub case_id: Option<CaseId>,
    /// On which this person works.
    #[is(AssigneeId)]
    pub assignee_id: Option<PrincipalId>,
    /// Somebody works on it, or nobody.
    #[set(AssigneeId)]
    pub assigned: Option<bool>,
    /// Any of these has to do something.
    #[any(WaitingFor)]
    pub waiting_for: Option<Vec<WaitingFor>>,
    /// Due before this time.
    #[until(DueSort)]
    pub due_until: Option<Time>,
    /// Due at this time or later.
    #[from(DueSort)]
    pub due_from: Option<Time>,
    /// Late once, or never.
    #[is(Late)]
    pub late: Option<bool>,
}

fn of_owners(all: Vec<OrganizationId>) -> SimpleExpr {
    Expr::col((Entity, Column::OwnerOrganizationId)).is_in(all.into_iter().map(|id| id.0))
}

orders!(WorkItemOrder of WorkItemFilter, else DueAsc {
    DueAsc = "DUE_ASC", DueDesc = "DUE_DESC": DueSort;
    PriorityAsc = "PRIORITY_ASC", PriorityDesc = "PRIORITY_DESC": PriorityRank;
    CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": CreatedAt;
    UpdatedAsc = "UPDATED_ASC", UpdatedDesc = "UPDATED_DESC": UpdatedAt;
});

text_enum!(
    /// What items are counted by.
    WorkItemCountBy {
        /// ALL; OVERDUE; TODAY, later today; THIS_WEEK, within seven days, today among them; MINE; UNASSIGNED; LATE, that were late once.
        Bucket = "BUCKET",
        /// By the state of the thing that waits.
        State = "STATE",
        /// By the sort of thing that waits.
        Kind = "KIND",
        /// By how urgent they are.
        Priority = "PRIORITY",
        /// By whose they are; the hundred with the most.
        Owner = "OWNER",
        /// By who works on them; the hundred with the most.
        Assignee = "ASSIGNEE",
    }
);

/// A number of items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct WorkItemCount {
    /// The measure.
    pub by: WorkItemCountBy,
    /// The bucket, the state, the kind, the priority, or the id of the owner or the assignee.
    pub value: String,
    /// The number of items.
    pub count: i32,
}

/// The id of the item that an owner's thing has, or had, in a desk's queue.
pub async fn id_of(tx: &Tx, desk: OrganizationId, owner: OrganizationId, thing: Uuid) -> Result<WorkItemId> {
    const SQL: &str = "SELECT md5($1::uuid::text || $2::uuid::text || $3::uuid::text)::uuid AS id";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, SQL, [desk.0.into(), owner.0.into(), thing.into()]);
    let row = tx.query_one_raw(statement).await?.ok_or_else(|| Error::internal("a row without a condition"))?;
    Ok(WorkItemId(row.try_get("", "id")?))
}

/// Counts the items of the acting desk, in one statement, by the tallies that are kept beside them. The days are those of a time zone.
pub async fn counts(reading: &dyn Reading, by: &[WorkItemCountBy], time_zone: &str) -> Result<Vec<WorkItemCount>> {
    // Tallies count all items of a desk, which are told apart by nothing but the desk. A policy by which somebody sees some of them would
    // name columns that are not here.
    let desk = sea_query::Query::select().expr_as(Expr::val(reading.acting().0), Column::OrganizationId).take();
    let allowed =
        sea_query::Query::select().expr(Expr::val(1)).from_subquery(desk, Entity).cond_where(reading.filter(KIND)?).take();
    let (allowed, values) = allowed.build(sea_query::PostgresQueryBuilder);
    let mut values: Vec<sea_orm::Value> = values.0;
    let now = reading.now();
    let zone: chrono_tz::Tz = time_zone.parse().unwrap_or(chrono_tz::Tz::UTC);
    let midnight = |days: u64| {
        let day = now.with_timezone(&zone).date_naive() + chrono::Days::new(days);
        // Where clocks leave midnight out, the day begins with the first hour that there is.
        let hours = (0..6).filter_map(|hour| day.and_hms_opt(hour, 0, 0));
        hours.filter_map(|time| time.and_local_timezone(zone).earliest()).next().map_or(now, |time| time.to_utc())
    };
    let names = ["{desk}", "{now}", "{midnight}", "{week}", "{who}"];
    let sql = names
        .iter()
        .enumerate()
        .fold(COUNTS.replace("{allowed}", &allowed), |sql, (at, name)| sql.replace(name, &format!("${}", values.len() + at + 1)));
    let of_day: [sea_orm::Value; 3] = [now.into(), midnight(1).into(), midnight(7).into()];
    values.push(reading.acting().0.into());
    values.extend(of_day);
    values.push(reading.actor().principal.0.into());
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let rows = reading.tx().await?.query_all_raw(statement).await?;
    let mut counts = Vec::new();
    for row in rows {
        let (sort, value, n): (String, String, i64) =
            (row.try_get("", "sort")?, row.try_get("", "value")?, row.try_get("", "n")?);
        let Some(measure) = WorkItemCountBy::parse(&sort) else { continue };
        if by.contains(&measure) {
            counts.push(WorkItemCount { by: measure, value, count: i32::try_from(n).unwrap_or(i32::MAX) });
        }
    }
    Ok(counts)
}

/// Tallies know the hour in which an item is due; of the hour in which a time lies, the items before it are counted.
const COUNTS: &str = "WITH allowed AS MATERIALIZED ({allowed}), told AS MATERIALIZED (
    SELECT t.* FROM app.work_item_tallies(ARRAY['KIND', 'STATE', 'PRIORITY', 'ASSIGNEE', 'LATE', 'DUE'], {week}) t
    WHERE EXISTS (TABLE allowed)
  ), until AS (
    SELECT u.name, (SELECT coalesce(sum(t.n), 0) FROM told t WHERE t.measure = 'DUE' AND t.value < to_char(u.at AT TIME ZONE 'UTC', 'YYYYMMDDHH24'))
      + (SELECT count(*) FROM work_item w WHERE EXISTS (TABLE allowed) AND w.organization_id = {desk} AND w.due_sort >= date_trunc('hour', u.at, 'UTC') AND w.due_sort < u.at) AS n
    FROM (VALUES ('now', {now}::timestamptz), ('today', {midnight}::timestamptz), ('week', {week}::timestamptz)) AS u(name, at)
  ), buckets AS (
    SELECT (SELECT coalesce(sum(n), 0) FROM told WHERE measure = 'KIND') AS all_items,
      (SELECT n FROM until WHERE name = 'now') AS now_, (SELECT n FROM until WHERE name = 'today') AS today, (SELECT n FROM until WHERE name = 'week') AS week,
      (SELECT coalesce(sum(n), 0) FROM told WHERE measure = 'ASSIGNEE' AND value = {who}::uuid::text) AS mine,
      (SELECT coalesce(sum(n), 0) FROM told WHERE measure = 'ASSIGNEE' AND value = '') AS nobodys,
      (SELECT coalesce(sum(n), 0) FROM told WHERE measure = 'LATE') AS late
  )
  SELECT 'BUCKET' AS sort, v.value, v.n::bigint AS n FROM buckets b, LATERAL (VALUES ('ALL', all_items), ('OVERDUE', now_), ('TODAY', today - now_),
    ('THIS_WEEK', week - now_), ('MINE', mine), ('UNASSIGNED', nobodys), ('LATE', late)) AS v(value, n)
  UNION ALL (SELECT measure, value, n::bigint FROM told WHERE measure IN ('STATE', 'KIND', 'PRIORITY') ORDER BY 1, 3 DESC, 2)
  UNION ALL (SELECT measure, value, n::bigint FROM told WHERE measure = 'ASSIGNEE' AND value <> '' ORDER BY 3 DESC, 2 LIMIT 100)
  UNION ALL SELECT 'OWNER', owner::text, n FROM app.work_item_owners(100) WHERE EXISTS (TABLE allowed)";

/// Brings queues in line with grants that were given or taken since.
pub const CATCH_UP: &str = "SELECT app.work_catch_up($1, $2)";
