//! Logs as the relay's role reads them, for every organization: an organization's own events, and the feeds of those that
//! look after others. A reader's rights are judged where an entry is delivered, not here.

use crate::history;
use chrono::{DateTime, Utc};
use schema::{LogId, OperationId, OrganizationId, PrincipalId, PrincipalKind, Result};
use sqlx::{PgConnection, PgPool, Row, postgres::PgRow};
use std::{collections::BTreeSet, time::Duration};
use uuid::Uuid;

/// One entry of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub position: i64,
    /// The organization that it comes from.
    pub source: OrganizationId,
    pub what: Content,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    Event(Box<history::Model>),
    /// An organization came into sight.
    Gained,
    /// An organization left sight.
    Lost,
    /// The event that the entry referred to is put away.
    Nothing,
}

const EVENT: &str = "e.seq, e.kind, e.resource_kind, e.resource_id, e.version, e.actor, e.actor_kind, e.actor_organization_id,
    e.actor_name, e.on_behalf_of, e.operation_id, e.trace_id, e.change, e.at";

fn event(row: &PgRow, organization: OrganizationId) -> Result<history::Model> {
    let kind: String = row.try_get("actor_kind")?;
    Ok(history::Model {
        organization_id: organization,
        seq: row.try_get("seq")?,
        kind: row.try_get("kind")?,
        resource_kind: row.try_get("resource_kind")?,
        resource_id: row.try_get("resource_id")?,
        version: row.try_get("version")?,
        actor: PrincipalId(row.try_get("actor")?),
        actor_kind: PrincipalKind::parse(&kind).unwrap_or(PrincipalKind::System),
        actor_organization_id: OrganizationId(row.try_get("actor_organization_id")?),
        actor_name: row.try_get("actor_name")?,
        on_behalf_of: row.try_get("on_behalf_of")?,
        operation_id: OperationId(row.try_get("operation_id")?),
        trace_id: row.try_get("trace_id")?,
        change: row.try_get("change")?,
        at: row.try_get::<DateTime<Utc>, _>("at")?.into(),
    })
}

fn split(logs: &[(LogId, i64)], feeds: bool) -> (Vec<Uuid>, Vec<i64>) {
    logs.iter().filter(|(log, _)| matches!(log, LogId::Feed(_)) == feeds).map(|(log, at)| (log.organization().0, *at)).unzip()
}

/// The entries after these positions, at most `most` of each log. One statement reads own logs, another the feeds.
pub async fn after(pool: &PgPool, logs: &[(LogId, i64)], most: i64) -> Result<Vec<(LogId, Entry)>> {
    let mut found = Vec::new();
    let (own, feeds) = (split(logs, false), split(logs, true));
    if !own.0.is_empty() {
        let sql = format!(
            "SELECT w.id AS log, {EVENT} FROM unnest($1::uuid[], $2::bigint[]) AS w(id, at)
             JOIN org_head h ON h.organization_id = w.id AND h.event_seq > w.at
             CROSS JOIN LATERAL (SELECT * FROM event e WHERE e.organization_id = w.id AND e.seq > w.at ORDER BY e.seq LIMIT $3) e
             ORDER BY w.id, e.seq"
        );
        for row in sqlx::query(sqlx::AssertSqlSafe(sql)).bind(own.0).bind(own.1).bind(most).fetch_all(pool).await? {
            let organization = OrganizationId(row.try_get("log")?);
            let event = event(&row, organization)?;
            let entry = Entry { position: event.seq, source: organization, what: Content::Event(Box::new(event)) };
            found.push((LogId::Own(organization), entry));
        }
    }
    if !feeds.0.is_empty() {
        let sql = format!(
            "SELECT w.id AS log, f.position, f.source_organization_id, f.mark, {EVENT}
             FROM unnest($1::uuid[], $2::bigint[]) AS w(id, at)
             JOIN feed_head h ON h.organization_id = w.id AND h.position > w.at
             CROSS JOIN LATERAL (SELECT * FROM feed f WHERE f.organization_id = w.id AND f.position > w.at ORDER BY f.position LIMIT $3) f
             LEFT JOIN event e ON e.organization_id = f.source_organization_id AND e.seq = f.seq
             ORDER BY w.id, f.position"
        );
        for row in sqlx::query(sqlx::AssertSqlSafe(sql)).bind(feeds.0).bind(feeds.1).bind(most).fetch_all(pool).await? {
            let source = OrganizationId(row.try_get("source_organization_id")?);
            let what = match row.try_get::<Option<&str>, _>("mark")? {
                Some("SCOPE_GAINED") => Content::Gained,
                Some(_) => Content::Lost,
                None if row.try_get::<Option<i64>, _>("seq")?.is_none() => Content::Nothing,
                None => Content::Event(Box::new(event(&row, source)?)),
            };
            let log = LogId::Feed(OrganizationId(row.try_get("log")?));
            found.push((log, Entry { position: row.try_get("position")?, source, what }));
        }
    }
    Ok(found)
}

/// The last position of a log.
pub async fn head(pool: &PgPool, log: LogId) -> Result<i64> {
    let sql = match log {
        LogId::Own(_) => "SELECT event_seq FROM org_head WHERE organization_id = $1",
        LogId::Feed(_) => "SELECT position FROM feed_head WHERE organization_id = $1",
    };
    let head: Option<i64> = sqlx::query_scalar(sql).bind(log.organization().0).fetch_optional(pool).await?;
    Ok(head.unwrap_or_default())
}

/// An operation, and when it last moved.
pub type Moved = ((OrganizationId, OperationId), DateTime<Utc>);

/// The times at which these operations last moved. Nothing else of them may be known outside their organizations.
pub async fn operations(pool: &PgPool, watched: &[(OrganizationId, OperationId)]) -> Result<Vec<Moved>> {
    let (organizations, ids): (Vec<Uuid>, Vec<Uuid>) = watched.iter().map(|(organization, id)| (organization.0, id.0)).unzip();
    let rows: Vec<(Uuid, Uuid, DateTime<Utc>)> = sqlx::query_as(
        "SELECT o.organization_id, o.id, o.updated_at FROM unnest($1::uuid[], $2::uuid[]) AS w(organization_id, id)
         JOIN operation o ON o.organization_id = w.organization_id AND o.id = w.id",
    )
    .bind(organizations)
    .bind(ids)
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|(organization, id, at)| ((OrganizationId(organization), OperationId(id)), at)).collect())
}

/// The result of one round of the relay.
#[derive(Debug, Default)]
pub struct Relayed {
    /// The organizations whose feeds grew.
    pub readers: BTreeSet<OrganizationId>,
    pub rows: u64,
    /// The time of the oldest event among the rows.
    pub oldest: Option<DateTime<Utc>>,
    /// Whether more is left to relay.
    pub more: bool,
}

/// The most pairs of reader and source, and the most events of each, in one transaction.
const PAIRS: i64 = 500;
const EVENTS: i64 = 500;

/// Writes marks for organizations that came into another's sight or left it, in the caller's transaction. It looks where
/// grants were given or taken back, where a term began or ended since it last looked, or everywhere. Sight that may have
/// ended and begun again in between counts as gained anew: its reader may have read meanwhile and missed something.
pub async fn scopes(tx: &mut PgConnection, now: DateTime<Utc>, everywhere: bool, looked: DateTime<Utc>) -> Result<Relayed> {
    let mut done = Relayed::default();
    let sql = "
        WITH due AS (
          DELETE FROM feed_due RETURNING organization_id, source_organization_id
        ), asked AS (
          SELECT organization_id, source_organization_id FROM due
          UNION
          SELECT grantee_organization_id, organization_id FROM access_grant WHERE revoked_at IS NULL AND starts_at > $3 AND starts_at <= $1
          UNION
          -- An end that was set for a moment ago is seen only when that commits; to find one twice does nothing.
          SELECT grantee_organization_id, organization_id FROM access_grant
          WHERE revoked_at IS NULL AND ends_at > $3 - interval '30 seconds' AND ends_at <= $1
          UNION
          SELECT grantee_organization_id, organization_id FROM access_grant WHERE $2
          UNION
          SELECT organization_id, source_organization_id FROM feed_scope WHERE $2
        ), wanted AS (
          SELECT a.*, a.organization_id = a.source_organization_id OR EXISTS (
            SELECT FROM access_grant g
            WHERE g.organization_id = a.source_organization_id AND g.grantee_organization_id = a.organization_id
              AND g.revoked_at IS NULL AND g.starts_at <= $1 AND (g.ends_at IS NULL OR g.ends_at > $1)) AS holds
          FROM asked a
        ), lost AS (
          DELETE FROM feed_scope s USING wanted w
          WHERE s.organization_id = w.organization_id AND s.source_organization_id = w.source_organization_id AND NOT w.holds
          RETURNING s.organization_id, s.source_organization_id
        ), gained AS (
          -- Whoever sees it come reads it as it is then: what happened before needs no telling. One's own is told from the first.
          INSERT INTO feed_scope (organization_id, source_organization_id, relayed_seq)
          SELECT w.organization_id, w.source_organization_id, CASE WHEN w.organization_id = w.source_organization_id THEN 0 ELSE h.event_seq END
          FROM wanted w JOIN org_head h ON h.organization_id = w.source_organization_id WHERE w.holds
          ON CONFLICT DO NOTHING
          RETURNING organization_id, source_organization_id
        ), renewed AS (
          SELECT s.organization_id, s.source_organization_id
          FROM wanted w JOIN feed_scope s ON s.organization_id = w.organization_id AND s.source_organization_id = w.source_organization_id
          WHERE w.holds AND (
            EXISTS (SELECT FROM due d WHERE d.organization_id = w.organization_id AND d.source_organization_id = w.source_organization_id)
            OR EXISTS (
              SELECT FROM access_grant g
              WHERE g.organization_id = w.source_organization_id AND g.grantee_organization_id = w.organization_id
                AND g.revoked_at IS NULL AND g.ends_at > $3 AND g.ends_at <= $1))
        ), marks AS (
          SELECT *, 'SCOPE_LOST' AS mark FROM lost
          UNION ALL
          SELECT *, 'SCOPE_GAINED' FROM (SELECT * FROM gained UNION SELECT * FROM renewed) came
          WHERE organization_id <> source_organization_id
        ), rows AS (
          SELECT m.*, row_number() OVER (PARTITION BY m.organization_id ORDER BY m.source_organization_id) AS n FROM marks m
        ), heads AS (
          INSERT INTO feed_head AS f (organization_id, position) SELECT organization_id, count(*) FROM rows GROUP BY 1 ORDER BY 1
          ON CONFLICT (organization_id) DO UPDATE SET position = f.position + excluded.position
          RETURNING organization_id, position
        )
        INSERT INTO feed (organization_id, position, source_organization_id, mark, at)
        SELECT r.organization_id, h.position - (SELECT count(*) FROM rows c WHERE c.organization_id = r.organization_id) + r.n,
               r.source_organization_id, r.mark, $1
        FROM rows r JOIN heads h ON h.organization_id = r.organization_id
        RETURNING organization_id";
    for reader in sqlx::query_scalar::<_, Uuid>(sql).bind(now).bind(everywhere).bind(looked).fetch_all(tx).await? {
        done.readers.insert(OrganizationId(reader));
        done.rows += 1;
    }
    Ok(done)
}

/// Writes the new events of these organizations, or of all, into the feeds, and remembers how far. In the caller's
/// transaction.
pub async fn relay(tx: &mut PgConnection, now: DateTime<Utc>, of: Option<Vec<OrganizationId>>) -> Result<Relayed> {
    let mut done = Relayed::default();
    let sql = "
        WITH due AS (
          SELECT s.organization_id, s.source_organization_id, s.relayed_seq, least(h.event_seq, s.relayed_seq + $2) AS upto
          FROM feed_scope s JOIN org_head h ON h.organization_id = s.source_organization_id
          WHERE h.event_seq > s.relayed_seq AND ($4::uuid[] IS NULL OR s.source_organization_id = ANY ($4))
          LIMIT $3 FOR UPDATE OF s
        ), moved AS (
          UPDATE feed_scope s SET relayed_seq = d.upto FROM due d
          WHERE s.organization_id = d.organization_id AND s.source_organization_id = d.source_organization_id
        ), rows AS (
          SELECT d.organization_id, d.source_organization_id, e.seq, e.at,
                 -- What happened in one's own organization comes first: it may end the sight of the rest.
                 row_number() OVER (
                   PARTITION BY d.organization_id ORDER BY d.organization_id <> d.source_organization_id, d.source_organization_id, e.seq) AS n
          FROM due d JOIN event e ON e.organization_id = d.source_organization_id AND e.seq > d.relayed_seq AND e.seq <= d.upto
        ), counted AS (
          SELECT organization_id, count(*) AS count FROM rows GROUP BY 1
        ), heads AS (
          INSERT INTO feed_head AS f (organization_id, position) SELECT organization_id, count FROM counted ORDER BY 1
          ON CONFLICT (organization_id) DO UPDATE SET position = f.position + excluded.position
          RETURNING organization_id, position
        ), written AS (
          INSERT INTO feed (organization_id, position, source_organization_id, seq, at)
          SELECT r.organization_id, h.position - c.count + r.n, r.source_organization_id, r.seq, $1
          FROM rows r JOIN heads h ON h.organization_id = r.organization_id JOIN counted c ON c.organization_id = r.organization_id
        )
        SELECT r.organization_id, count(*) AS count, min(r.at) AS oldest, (SELECT count(*) FROM due) AS pairs FROM rows r GROUP BY 1";
    let of: Option<Vec<Uuid>> = of.map(|all| all.into_iter().map(|id| id.0).collect());
    for row in sqlx::query(sql).bind(now).bind(EVENTS).bind(PAIRS).bind(of).fetch_all(tx).await? {
        done.readers.insert(OrganizationId(row.try_get("organization_id")?));
        let count: i64 = row.try_get("count")?;
        done.rows += count.unsigned_abs();
        let oldest: DateTime<Utc> = row.try_get("oldest")?;
        done.oldest = Some(done.oldest.map_or(oldest, |known| known.min(oldest)));
        let pairs: i64 = row.try_get("pairs")?;
        done.more |= pairs >= PAIRS || count >= EVENTS;
    }
    Ok(done)
}

/// Deletes rows of feeds that no cursor may ask for any more, a few thousand at a time.
pub async fn trim(tx: &mut PgConnection, now: DateTime<Utc>, window: Duration) -> Result<u64> {
    let sql = "
        WITH old AS (
          SELECT organization_id, position FROM feed WHERE at < least($1, now() - $2) ORDER BY at LIMIT 5000
        ), gone AS (
          DELETE FROM feed f USING old WHERE f.organization_id = old.organization_id AND f.position = old.position
          RETURNING f.organization_id, f.position
        ), heads AS (
          UPDATE feed_head h SET gone = greatest(h.gone, g.last)
          FROM (SELECT organization_id, max(position) AS last FROM gone GROUP BY 1) g WHERE g.organization_id = h.organization_id
        )
        SELECT count(*) FROM gone";
    let gone: i64 = sqlx::query_scalar(sql).bind(now - window).bind(window).fetch_one(tx).await?;
    Ok(gone.unsigned_abs())
}
