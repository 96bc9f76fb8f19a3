//! Service levels: the times within which a desk promises to answer a case and to resolve it. A desk's level has versions, each with
//! the moment from which it counts, so that a change never moves the past.

use crate::{hours::Hours, matter::Priority, prelude::*};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use owners::property::PropertyId;
use schema::{Error, Result, Tx};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

schema::id!(
    /// One version of a desk's service level.
    ServiceLevelId = 0x1a1
);

/// The times that a desk promises, from a moment on. The latest that has begun counts.
#[kind(ServiceLevel, table = "service_level", names = set_by, changes = [begins_at])]
pub struct Model {
    pub id: ServiceLevelId,
    /// The desk.
    pub organization_id: OrganizationId,
    /// From when it counts.
    pub starts_at: Time,
    /// The minutes of work within which a case of this priority is acknowledged.
    pub acknowledge_low: i32,
    /// The same for normal priority.
    pub acknowledge_normal: i32,
    /// The same for high priority.
    pub acknowledge_high: i32,
    /// The same for urgent priority.
    pub acknowledge_urgent: i32,
    /// The minutes of work within which a case of this priority is resolved.
    pub resolve_low: i32,
    /// The same for normal priority.
    pub resolve_normal: i32,
    /// The same for high priority.
    pub resolve_high: i32,
    /// The same for urgent priority.
    pub resolve_urgent: i32,
    /// When work goes on, such as `MON 09:00-17:30`. A weekday that is not here is off.
    pub hours: Vec<String>,
    /// Days without work, such as `2026-12-25`.
    pub holidays: Vec<String>,
    /// The desk's time zone: an IANA name.
    pub time_zone: String,
    /// Whether a case about a property goes by that property's time zone.
    pub follows_property: bool,
    /// Whether the clock stands while a case waits for its owner.
    pub pauses_for_owner: bool,
    /// Whether the clock stands while a case waits for others.
    pub pauses_for_others: bool,
    /// The minutes before something is due at which its assignee is reminded.
    pub remind_minutes: i32,
    /// Who is told when a case is late.
    pub lead_id: Option<PrincipalId>,
    /// The days after which a resolved case closes by itself.
    pub close_days: i32,
    /// The days within which a closed case can be reopened.
    pub reopen_days: i32,
    /// Who set it. Null: a default of the gateway's.
    pub set_by: Option<PrincipalId>,
    /// When the open cases of the desk are yet to be planned by it.
    #[hidden]
    pub begins_at: Option<Time>,
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

impl Model {
    pub fn acknowledge(&self, priority: Priority) -> TimeDelta {
        TimeDelta::minutes(i64::from(match priority {
            Priority::Low => self.acknowledge_low,
            Priority::Normal => self.acknowledge_normal,
            Priority::High => self.acknowledge_high,
            Priority::Urgent => self.acknowledge_urgent,
        }))
    }

    pub fn resolve(&self, priority: Priority) -> TimeDelta {
        TimeDelta::minutes(i64::from(match priority {
            Priority::Low => self.resolve_low,
            Priority::Normal => self.resolve_normal,
            Priority::High => self.resolve_high,
            Priority::Urgent => self.resolve_urgent,
        }))
    }

    /// The hours of work for a case about a property in this time zone, if it is about one.
    fn hours_in(&self, property: Option<&str>) -> Hours {
        let named = property.filter(|_| self.follows_property).unwrap_or(&self.time_zone);
        Hours {
            zone: named.parse().unwrap_or(Tz::UTC),
            week: self.hours.iter().filter_map(|span| span.parse().ok()).collect(),
            holidays: self.holidays.iter().filter_map(|day| day.parse().ok()).collect(),
        }
    }
}

/// A desk's level as it counts for one case: with the hours in that case's time zone.
#[derive(Debug, Clone)]
pub struct Level {
    pub promised: Model,
    pub hours: Hours,
}

impl Level {
    pub fn of(promised: Model, property: Option<&str>) -> Self {
        Level { hours: promised.hours_in(property), promised }
    }
}

/// The level of a desk that never set one.
fn usual(desk: OrganizationId) -> Model {
    let day = |name: &str| format!("{name} 09:00-17:00");
    Model {
        id: ServiceLevelId(Uuid::nil()),
        organization_id: desk,
        starts_at: Time::default(),
        acknowledge_low: 960,
        acknowledge_normal: 480,
        acknowledge_high: 120,
        acknowledge_urgent: 30,
        resolve_low: 9_600,
        resolve_normal: 4_800,
        resolve_high: 1_440,
        resolve_urgent: 480,
        hours: ["MON", "TUE", "WED", "THU", "FRI"].map(day).to_vec(),
        holidays: Vec::new(),
        time_zone: "America/Phoenix".into(),
        follows_property: true,
        pauses_for_owner: true,
        pauses_for_others: false,
        remind_minutes: 60,
        lead_id: None,
        close_days: 7,
        reopen_days: 30,
        set_by: None,
        begins_at: None,
        version: 1,
        created_at: Time::default(),
        updated_at: Time::default(),
    }
}

/// The level that a desk promises an owner at a moment, in the hours of a property. One that set none promises the usual.
pub async fn at(tx: &Tx, about: (OrganizationId, Option<PropertyId>), desk: OrganizationId, now: DateTime<Utc>) -> Result<Level> {
    Ok(found(tx, about, Some(desk), now).await?.map_or_else(|| Level::of(usual(desk), None), |(_, level)| level))
}

/// The desk that an owner let act, where there is one only, with the level that it promises.
pub async fn of_only_desk(
    tx: &Tx,
    about: (OrganizationId, Option<PropertyId>),
    now: DateTime<Utc>,
) -> Result<Option<(OrganizationId, Level)>> {
    found(tx, about, None, now).await
}

async fn found(
    tx: &Tx,
    (owner, property): (OrganizationId, Option<PropertyId>),
    desk: Option<OrganizationId>,
    now: DateTime<Utc>,
) -> Result<Option<(OrganizationId, Level)>> {
    const SQL: &str = "SELECT {columns}, p.time_zone AS of_property, d.desk
         FROM (SELECT coalesce($1, app.desk_of($2, $3)) AS desk) d
         LEFT JOIN app.service_level_at(d.desk, $2, $3) l ON true
         LEFT JOIN property p ON p.organization_id = $2 AND p.id = $4";
    let columns: Vec<String> = <Model as kind::Table>::COLUMNS.iter().map(|column| format!("l.{}", column.name)).collect();
    let sql = SQL.replace("{columns}", &columns.join(", "));
    let values = [desk.map(|desk| desk.0).into(), owner.0.into(), now.into(), property.map(|id| id.0).into()];
    let row = tx.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    let row = row.ok_or_else(|| Error::internal("a row without a condition"))?;
    let Some(desk) = row.try_get::<Option<Uuid>>("", "desk")?.map(OrganizationId) else { return Ok(None) };
    let zone: Option<String> = row.try_get("", "of_property")?;
    let set: Option<Uuid> = row.try_get("", "id")?;
    let promised = match set {
        Some(_) => kind::row::read_at::<Model>(&row, 0)?,
        None => usual(desk),
    };
    Ok(Some((desk, Level::of(promised, zone.as_deref()))))
}

/// Which of a desk's levels.
#[filter]
pub struct ServiceLevelFilter {
    /// Began at this time or later.
    #[from(StartsAt)]
    pub starts_since: Option<Time>,
}

orders!(ServiceLevelOrder of ServiceLevelFilter, else StartsDesc {
    StartsAsc = "STARTS_ASC", StartsDesc = "STARTS_DESC": StartsAt;
});
