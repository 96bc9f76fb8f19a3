//! Actors: principals with their standing in an organization, read from rows through definer functions.

use chrono::{DateTime, Utc};
use schema::{
    AccessGrantId, Actor, Code, Error, Lanes, Mode, OrganizationId, PrincipalId, PrincipalKind, Reach, Result, Role, Through, Tx,
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde::Deserialize;
use uuid::Uuid;

#[derive(Debug, Deserialize)]
pub(crate) struct ActorRow {
    kind: String,
    organization_type: String,
    roles: Option<Vec<String>>,
    epoch: i64,
    delegated: bool,
}

impl ActorRow {
    pub(crate) fn actor(self, principal: PrincipalId, organization: OrganizationId) -> Option<Actor> {
        Some(Actor {
            principal,
            kind: PrincipalKind::parse(&self.kind)?,
            organization,
            organization_type: Some(self.organization_type),
            roles: self.roles.unwrap_or_default().iter().filter_map(|role| Role::parse(role)).collect(),
            delegated: self.delegated,
            epoch: self.epoch,
            through: None,
        })
    }
}

/// The actor that a principal is in an organization. None: no such organization, or the principal has nothing to do with it.
pub async fn find(
    lanes: &Lanes,
    principal: PrincipalId,
    organization: OrganizationId,
    now: DateTime<Utc>,
) -> Result<Option<Actor>> {
    type Found = (String, String, Option<Vec<String>>, i64, bool);
    let sql = "SELECT * FROM app.actor($1, $2, $3)";
    let row: Option<Found> =
        lanes.once(Mode::Read, principal.0, sql, |find| find.bind(principal.0).bind(organization.0).bind(now)).await?;
    Ok(row.and_then(|(kind, organization_type, roles, epoch, delegated)| {
        ActorRow { kind, organization_type, roles, epoch, delegated }.actor(principal, organization)
    }))
}

/// The next time at which an actor's memberships, delegations or grant may change by time alone.
pub async fn until(lanes: &Lanes, actor: &Actor, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
    let sql = "SELECT app.actor_until($1, $2, $3, $4)";
    let grant = actor.through.map(|through| through.grant.0);
    let until: Option<(Option<DateTime<Utc>>,)> = lanes
        .once(Mode::Read, actor.organization.0, sql, |until| {
            until.bind(actor.principal.0).bind(actor.organization.0).bind(grant).bind(now)
        })
        .await?;
    Ok(until.and_then(|(until,)| until))
}

/// A hash of an actor's delegations, None if there are none, and the next time at which they or the actor's roles may change
/// by time alone.
pub async fn delegated(lanes: &Lanes, actor: &Actor, now: DateTime<Utc>) -> Result<(Option<String>, Option<DateTime<Utc>>)> {
    let until = until(lanes, actor, now).await?;
    if !actor.delegated {
        return Ok((None, until));
    }
    let tx = Tx::begin(lanes, &Reach::of(actor.organization, now), Mode::Read).await?;
    let sql = "
        SELECT encode(sha256(convert_to(coalesce(string_agg(held, ',' ORDER BY held), ''), 'UTF8')), 'hex') AS held FROM (
          SELECT concat(property_id, action) AS held FROM delegated_property WHERE organization_id = $1 AND holder_id = $2
          UNION
          SELECT concat(portfolio_id, action) FROM delegated_portfolio WHERE organization_id = $1 AND holder_id = $2
          UNION
          SELECT concat(id, version) FROM delegation_now WHERE organization_id = $1 AND holder_id = $2
        ) AS all_of_it";
    let values = [actor.organization.0.into(), actor.principal.0.into()];
    let row = tx.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    Ok((row.map(|row| row.try_get("", "held")).transpose()?, until))
}

/// A grant to an organization, if it counts now.
pub async fn through(
    lanes: &Lanes,
    organization: OrganizationId,
    grant: AccessGrantId,
    now: DateTime<Utc>,
) -> Result<Option<Through>> {
    let sql = "SELECT * FROM app.through($1, $2, $3)";
    let row: Option<(Uuid, bool, i64)> =
        lanes.once(Mode::Read, organization.0, sql, |find| find.bind(organization.0).bind(grant.0).bind(now)).await?;
    Ok(row.map(|(owner, acts, epoch)| Through { grant, owner: OrganizationId(owner), acts, epoch }))
}

/// Refuses a grant that does not count now, or that another organization gave.
pub async fn ensure_through(
    tx: &Tx,
    organization: OrganizationId,
    grant: AccessGrantId,
    owner: OrganizationId,
    now: DateTime<Utc>,
) -> Result<()> {
    let values = [organization.0.into(), grant.0.into(), now.into(), owner.0.into()];
    let sql = "SELECT FROM app.through($1, $2, $3) WHERE owner = $4";
    match tx.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await? {
        Some(_) => Ok(()),
        None => Err(Error::new(Code::GRANT_NOT_FOUND)),
    }
}

/// A grant to an organization, if it counts now, locked: whoever takes it back waits until the transaction ends.
pub async fn lock_through(
    tx: &Tx,
    organization: OrganizationId,
    grant: AccessGrantId,
    now: DateTime<Utc>,
) -> Result<Option<Through>> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT * FROM app.through_locked($1, $2, $3)",
        [organization.0.into(), grant.0.into(), now.into()],
    );
    let Some(row) = tx.query_one_raw(statement).await? else { return Ok(None) };
    let owner: Uuid = row.try_get("", "owner")?;
    Ok(Some(Through { grant, owner: OrganizationId(owner), acts: row.try_get("", "acts")?, epoch: row.try_get("", "epoch")? }))
}

/// An agent or a service that this organization registered, or the only one of its name.
pub async fn registered(
    lanes: &Lanes,
    issuer: &str,
    subject: &str,
    organization: Option<OrganizationId>,
) -> Result<Option<(PrincipalId, PrincipalKind)>> {
    let sql = "SELECT id, kind FROM app.registered($1, $2, $3)";
    let row: Option<(Uuid, String)> = lanes
        .once(Mode::Read, Uuid::nil(), sql, |find| {
            find.bind(issuer).bind(subject).bind(organization.map(|organization| organization.0))
        })
        .await?;
    Ok(row.and_then(|(id, kind)| Some((PrincipalId(id), PrincipalKind::parse(&kind)?))))
}

/// Whose turn a sign-in is: everybody's own.
fn whose(subject: &str) -> Uuid {
    Uuid::new_v5(&Uuid::nil(), subject.as_bytes())
}

/// The principal of a valid token; a first sign-in makes one.
pub async fn sign_in(
    lanes: &Lanes,
    issuer: &str,
    subject: &str,
    email: Option<&str>,
    name: Option<&str>,
    fresh: Uuid,
    now: DateTime<Utc>,
) -> Result<(PrincipalId, PrincipalKind)> {
    let sql = "SELECT id, kind FROM app.known($1, $2, $3, $4)";
    let mut found: Option<(Uuid, String)> =
        lanes.once(Mode::Read, whose(subject), sql, |known| known.bind(issuer).bind(subject).bind(email).bind(name)).await?;
    if found.is_none() {
        let sql = "SELECT id, kind FROM app.sign_in($1, $2, $3, $4, $5, $6)";
        found = lanes
            .once(Mode::Write, whose(subject), sql, |it| {
                it.bind(issuer).bind(subject).bind(email).bind(name).bind(fresh).bind(now)
            })
            .await?;
    }
    let (id, kind) = found.ok_or_else(|| schema::Error::internal("nobody signed in"))?;
    let kind = PrincipalKind::parse(&kind).ok_or_else(|| schema::Error::internal("a principal of unknown kind"))?;
    Ok((PrincipalId(id), kind))
}
