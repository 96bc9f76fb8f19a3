//! Changes as their reader sees them: the log as deltas, with things as they are now, and tombstones.

use crate::{
    KINDS, history,
    node::{self, Node},
    prelude::*,
};
use async_graphql::{ID, SimpleObject};
use schema::{Code, Error, Expired, LogId, LogPosition, Reading, Result, Tx};
use schemars::JsonSchema;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, QueryOrder, QuerySelect, Statement};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, time::Duration};

text_enum!(
    /// What became of something, for who reads this.
    ChangeState {
        /// It is new, or another than before.
        Changed = "CHANGED",
        /// It is archived: still there, out of the way.
        Archived = "ARCHIVED",
        /// It left what was asked for, such as a portfolio.
        Gone = "GONE",
        /// An organization came into sight, or may have been out of sight for a moment: read all of it anew.
        ScopeGained = "SCOPE_GAINED",
        /// An organization left sight: forget all of it.
        ScopeLost = "SCOPE_LOST",
    }
);

impl ChangeState {
    pub fn of(node: &Node) -> Self {
        if node.archived() { ChangeState::Archived } else { ChangeState::Changed }
    }
}

/// One thing that is another than it was.
#[derive(Clone, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase")]
#[graphql(complex)]
pub struct ResourceChange {
    pub change: ChangeState,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// Such as `property`; null where all of an organization is meant.
    pub kind: Option<String>,
    #[schemars(with = "Option<String>")]
    pub id: Option<ID>,
    /// As it is now; null where there is nothing to see.
    pub node: Option<Node>,
}

kind::related!(ResourceChange);

/// A page of what changed.
#[derive(Clone, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct ChangePage {
    pub items: Vec<ResourceChange>,
    /// Where to go on from: next time, or at once if there is more.
    pub cursor: String,
    pub has_more: bool,
}

/// One entry of a log, as its reader's own transaction sees it.
struct Step {
    position: i64,
    organization: OrganizationId,
    what: Touch,
}

enum Touch {
    Touched(&'static str, Uuid, i64),
    Mark(ChangeState),
    /// An entry about no known kind, or out of sight.
    Nothing,
}

/// The changes after a position, which must lie within the window. Without a position: no changes, and the end of the log.
pub async fn page(
    reading: &dyn Reading,
    rights: schema::Rights,
    window: Duration,
    after: Option<LogPosition>,
    kinds: Option<Vec<&'static str>>,
    first: u64,
) -> Result<ChangePage> {
    let log = LogId::of(reading.actor());
    let (head, gone) = head(reading.tx().await?, log).await?;
    let at = |position| LogPosition { log, position, rights }.to_string();
    let Some(after) = after else { return Ok(ChangePage { items: Vec::new(), cursor: at(head), has_more: false }) };
    if after.position > head {
        return Err(Expired::Unknown.into());
    }
    if after.position < gone {
        return Err(Expired::TooOld.into());
    }
    if after.position == head {
        return Ok(ChangePage { items: Vec::new(), cursor: at(head), has_more: false });
    }
    let (places, has_more) = match log {
        LogId::Own(organization) => own(reading, window, organization, after.position, first).await?,
        LogId::Feed(organization) => fed(reading, organization, after.position, first).await?,
    };
    let last = places.last().map_or(head, |place| place.position);
    let items = items(reading, places, kinds).await?;
    Ok(ChangePage { items, cursor: at(last), has_more })
}

async fn head(tx: &Tx, log: LogId) -> Result<(i64, i64)> {
    let sql = match log {
        LogId::Own(_) => "SELECT event_seq AS head, 0::bigint AS gone FROM org_head WHERE organization_id = $1",
        LogId::Feed(_) => "SELECT position AS head, gone FROM feed_head WHERE organization_id = $1",
    };
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [log.organization().0.into()]);
    let row = tx.query_one_raw(statement).await?;
    row.map_or(Ok((0, 0)), |row| Ok((row.try_get("", "head")?, row.try_get("", "gone")?)))
}

fn touched(kind: &str, id: Uuid, seq: i64) -> Touch {
    crate::kind(kind).map_or(Touch::Nothing, |kind| Touch::Touched(kind.name, id, seq))
}

/// Cuts rows to a page. One row more than the page tells that there is more.
fn cut<T>(mut rows: Vec<T>, first: u64) -> (Vec<T>, bool) {
    let more = rows.len() as u64 > first;
    rows.truncate(usize::try_from(first).unwrap_or(usize::MAX));
    (rows, more)
}

async fn own(
    reading: &dyn Reading,
    window: Duration,
    organization: OrganizationId,
    after: i64,
    first: u64,
) -> Result<(Vec<Step>, bool)> {
    let select = history::of(organization).filter(history::Column::Seq.gt(after)).order_by_asc(history::Column::Seq);
    let rows = select.limit(first + 1).all(reading.tx().await?).await?;
    if rows.first().is_some_and(|row| row.at.0 < reading.now() - window) {
        return Err(Expired::TooOld.into());
    }
    let place = |row: history::Model| Step {
        position: row.seq,
        organization,
        what: touched(&row.resource_kind, row.resource_id, row.seq),
    };
    let (rows, more) = cut(rows, first);
    Ok((rows.into_iter().map(place).collect(), more))
}

#[derive(FromQueryResult)]
struct Fed {
    position: i64,
    source_organization_id: Uuid,
    seq: Option<i64>,
    mark: Option<String>,
}

async fn fed(reading: &dyn Reading, organization: OrganizationId, after: i64, first: u64) -> Result<(Vec<Step>, bool)> {
    let tx = reading.tx().await?;
    let sql = "SELECT position, source_organization_id, seq, mark FROM feed
               WHERE organization_id = $1 AND position > $2 ORDER BY position LIMIT $3";
    let most = i64::try_from(first + 1).map_err(Error::internal)?;
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [organization.0.into(), after.into(), most.into()]);
    let rows = Fed::find_by_statement(statement).all(tx).await?;
    if rows.first().is_some_and(|row| row.position != after + 1) {
        return Err(Expired::TooOld.into());
    }
    let (rows, more) = cut(rows, first);
    let (sources, seqs): (Vec<Uuid>, Vec<i64>) =
        rows.iter().filter_map(|row| Some((row.source_organization_id, row.seq?))).unzip();
    // An organization out of sight has no events here; the mark that says so is an entry of its own.
    reading.reach(&sources.iter().copied().map(OrganizationId).collect::<Vec<_>>()).await?;
    let sql =
        "SELECT e.organization_id, e.seq, e.resource_kind, e.resource_id FROM unnest($1::uuid[], $2::bigint[]) AS w(id, seq)
               JOIN event e ON e.organization_id = w.id AND e.seq = w.seq";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [sources.into(), seqs.into()]);
    let mut seen = std::collections::HashMap::new();
    for row in tx.query_all_raw(statement).await? {
        let (organization, seq): (Uuid, i64) = (row.try_get("", "organization_id")?, row.try_get("", "seq")?);
        let (kind, id): (String, Uuid) = (row.try_get("", "resource_kind")?, row.try_get("", "resource_id")?);
        seen.insert((organization, seq), touched(&kind, id, seq));
    }
    let step = |row: Fed| Step {
        position: row.position,
        organization: OrganizationId(row.source_organization_id),
        what: match (row.mark.as_deref(), row.seq) {
            (Some("SCOPE_GAINED"), _) => Touch::Mark(ChangeState::ScopeGained),
            (Some(_), _) => Touch::Mark(ChangeState::ScopeLost),
            (None, seq) => seen.remove(&(row.source_organization_id, seq.unwrap_or_default())).unwrap_or(Touch::Nothing),
        },
    };
    Ok((rows.into_iter().map(step).collect(), more))
}

async fn items(reading: &dyn Reading, places: Vec<Step>, kinds: Option<Vec<&'static str>>) -> Result<Vec<ResourceChange>> {
    // Each thing once, where it was touched last.
    let (mut touches, mut met) = (Vec::new(), BTreeSet::new());
    for place in places.iter().rev() {
        if let Touch::Touched(kind, id, seq) = place.what
            && kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
            && met.insert((place.organization, kind, id))
        {
            touches.push((place.organization, kind, id, seq));
        }
    }
    let owners: BTreeSet<OrganizationId> = touches.iter().map(|(owner, ..)| *owner).collect();
    let wanted: Vec<(&'static str, Uuid)> = touches.iter().map(|(_, kind, id, _)| (*kind, *id)).collect();
    let mut nodes = node::find(reading, &Vec::from_iter(owners), &wanted).await?;
    let mut items = Vec::new();
    for place in &places {
        let (kind, id, seq) = match place.what {
            Touch::Mark(change) => {
                items.push(ResourceChange { change, organization_id: place.organization, kind: None, id: None, node: None });
                continue;
            }
            Touch::Touched(kind, id, seq) => (kind, id, seq),
            Touch::Nothing => continue,
        };
        if !touches.contains(&(place.organization, kind, id, seq)) {
            continue;
        }
        // A thing out of sight is left out: under the same rights it was out of sight before.
        let Some(node) = nodes.remove(&(kind, id)) else { continue };
        let (kind, id) = (Some(kind.to_owned()), Some(id.to_string().into()));
        let (change, node) = (ChangeState::of(&node), Some(node));
        items.push(ResourceChange { change, organization_id: place.organization, kind, id, node });
    }
    Ok(items)
}

/// The kinds whose changes a client is told: those that have an id.
pub fn synced() -> impl Iterator<Item = &'static str> {
    KINDS.iter().filter(|kind| kind.api.is_some()).map(|kind| kind.name)
}

/// The kinds with the names that a client gives. An unknown name is refused.
pub fn kinds(field: &str, named: Option<Vec<String>>) -> Result<Option<Vec<&'static str>>> {
    let Some(named) = named else { return Ok(None) };
    let known = |(at, name): (usize, String)| {
        let refuse = || {
            let message = format!("one of {}", synced().collect::<Vec<_>>().join(", "));
            Error::new(Code::INVALID_INPUT).field(format!("{field}.{at}"), "UNKNOWN_KIND", message)
        };
        synced().find(|kind| *kind == name).ok_or_else(refuse)
    };
    named.into_iter().enumerate().map(known).collect::<Result<_>>().map(Some)
}
