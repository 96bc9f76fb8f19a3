use super::CHANGE;
use crate::{case::ensure_of_desk, prelude::*};
use concierge::{
    hours,
    service_level::{self, Fresh, ServiceLevel},
};
use sea_orm::{ColumnTrait, QueryFilter};

/// The minutes of work within which something is done, by the priority of the case.
#[input(value)]
pub struct Minutes {
    /// Of low priority.
    #[number(1, 100_000)]
    pub low: i32,
    /// Of normal priority.
    #[number(1, 100_000)]
    pub normal: i32,
    /// Of high priority.
    #[number(1, 100_000)]
    pub high: i32,
    /// Of urgent priority.
    #[number(1, 100_000)]
    pub urgent: i32,
}

#[input]
pub struct ServiceLevelSetInput {
    /// From when it counts; from now on, if absent. What was promised before stays counted as it was.
    pub starts_at: Option<Time>,
    /// Within which somebody looks at a new case.
    #[dive]
    pub acknowledge: Minutes,
    /// Within which a case is resolved.
    #[dive]
    pub resolve: Minutes,
    /// When work goes on, such as `MON 09:00-17:30`. A weekday that is not here is off.
    #[rule(hours::week)]
    #[schemars(extend("minItems" = 1, "maxItems" = 50, "items" = { "type": "string", "pattern": hours::PATTERN }))]
    pub hours: Vec<String>,
    /// Days without work, such as `2026-12-25`.
    #[rule(hours::days)]
    #[schemars(extend("maxItems" = 400, "items" = { "type": "string", "format": "date" }))]
    pub holidays: Option<Vec<String>>,
    /// The desk's time zone: an IANA name, such as `America/Phoenix`.
    #[rule(owners::property::time_zone)]
    pub time_zone: String,
    /// Whether a case about a property goes by that property's time zone; yes, if absent.
    pub follows_property: Option<bool>,
    /// Whether the clock stands while a case waits for its owner; yes, if absent.
    pub pauses_for_owner: Option<bool>,
    /// Whether the clock stands while a case waits for others; no, if absent.
    pub pauses_for_others: Option<bool>,
    /// The minutes before something is due at which its assignee is reminded; 60, if absent.
    #[number(0, 100_000)]
    pub remind_minutes: Option<i32>,
    /// Who of the desk is told when a case is late.
    pub lead_id: Option<PrincipalId>,
    /// The days after which a resolved case closes by itself; 7, if absent.
    #[number(0, 365)]
    pub close_days: Option<i32>,
    /// The days within which a closed case can be reopened; 30, if absent.
    #[number(0, 365)]
    pub reopen_days: Option<i32>,
}

pub struct Set;

impl Procedure for Set {
    const NAME: &'static str = "serviceLevel/v1/set";
    const ABOUT: &'static str = "Sets the times that the desk promises, from a moment on. Open cases are planned anew then.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[TAKEN];
    type Input = ServiceLevelSetInput;
    type Output = ServiceLevel;
    type Subject = New<Fresh>;

    fn example() -> ServiceLevelSetInput {
        ServiceLevelSetInput {
            starts_at: None,
            acknowledge: Minutes { low: 960, normal: 480, high: 120, urgent: 30 },
            resolve: Minutes { low: 9_600, normal: 4_800, high: 1_440, urgent: 480 },
            hours: ["MON", "TUE", "WED", "THU", "FRI"].map(|day| format!("{day} 08:00-18:00")).to_vec(),
            holidays: Some(vec!["2026-12-25".into()]),
            time_zone: "America/Phoenix".into(),
            follows_property: None,
            pauses_for_owner: None,
            pauses_for_others: Some(true),
            remind_minutes: Some(60),
            lead_id: None,
            close_days: None,
            reopen_days: None,
        }
    }

    async fn subject(cx: &Context, input: &ServiceLevelSetInput) -> Result<Self::Subject> {
        let ServiceLevelSetInput {
            starts_at,
            acknowledge,
            resolve,
            hours,
            holidays,
            time_zone,
            follows_property,
            pauses_for_owner,
            pauses_for_others,
            remind_minutes,
            lead_id,
            close_days,
            reopen_days,
        } = input.clone();
        let fresh = Fresh {
            starts_at: starts_at.unwrap_or(cx.now().into()),
            acknowledge_low: acknowledge.low,
            acknowledge_normal: acknowledge.normal,
            acknowledge_high: acknowledge.high,
            acknowledge_urgent: acknowledge.urgent,
            resolve_low: resolve.low,
            resolve_normal: resolve.normal,
            resolve_high: resolve.high,
            resolve_urgent: resolve.urgent,
            hours,
            holidays: holidays.unwrap_or_default(),
            time_zone,
            follows_property: follows_property.unwrap_or(true),
            pauses_for_owner: pauses_for_owner.unwrap_or(true),
            pauses_for_others: pauses_for_others.unwrap_or(false),
            remind_minutes: remind_minutes.unwrap_or(60),
            lead_id,
            close_days: close_days.unwrap_or(7),
            reopen_days: reopen_days.unwrap_or(30),
            set_by: Some(cx.actor.principal),
            begins_at: Some(starts_at.unwrap_or(cx.now().into())),
        };
        Ok(New::of(cx, fresh))
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: ServiceLevelSetInput) -> Result<ServiceLevel> {
        let starts_at = allowed.subject().fresh().starts_at;
        if starts_at.0 < cx.now() {
            return Err(Error::invalid("startsAt", "TOO_EARLY", "must not be in the past"));
        }
        let same = service_level::of(cx.owner()).filter(service_level::Column::StartsAt.eq(starts_at));
        if same.one(cx.tx().await?).await?.is_some() {
            return Err(kind::refusal::<ServiceLevel>(TAKEN));
        }
        if let Some(lead) = input.lead_id {
            ensure_of_desk(cx, "leadId", lead).await?;
        }
        cx.create_as(allowed, "set").await
    }
}
