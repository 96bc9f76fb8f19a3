//! One process at a time writes the feeds of the organizations that look after others. Each round is one
//! transaction: killed at any moment it neither loses nor doubles. Whoever leads and stops living loses the
//! lead with its connection.

use crate::{Hub, metrics, news::News};
use chrono::{DateTime, Utc};
use entities::feed;
use schema::{LogId, Result};
use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use std::{
    sync::Weak,
    time::{Duration, Instant},
};

const LEADING: i64 = 0x6865_7374_616d_6a01;
/// What grew while a round ran, and a little after, is one more round.
const GATHER: Duration = Duration::from_millis(2);

pub(crate) async fn keep(hub: Weak<Hub>) {
    while let Some(here) = hub.upgrade() {
        if *here.closing.borrow() {
            return;
        }
        if let Err(error) = lead(&here).await {
            error.trace();
        }
        let pause = here.settings.backstop;
        drop(here);
        tokio::time::sleep(pause).await;
    }
}

/// Leads until the connection breaks or the hub closes; or finds that another does.
async fn lead(hub: &Hub) -> Result<()> {
    let options: PgConnectOptions = hub.settings.url.parse()?;
    let mut connection = options.application_name("hestami-relay").connect().await?;
    // A process that stands still must not lead.
    sqlx::query("SELECT set_config('idle_session_timeout', '5s', false)").execute(&mut connection).await?;
    let leads: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LEADING).fetch_one(&mut connection).await?;
    if !leads {
        connection.close().await?;
        return Ok(());
    }
    let mut closing = hub.closing();
    let mut state = State { looked: None, next_term: None, trimmed: None };
    while !*closing.borrow() {
        let more = round(hub, &mut connection, &mut state).await?;
        if more {
            continue;
        }
        tokio::select! {
            () = hub.relay.notified() => tokio::time::sleep(GATHER).await,
            () = tokio::time::sleep(hub.settings.backstop) => {}
            () = crate::closed(&mut closing) => {}
        }
    }
    connection.close().await?;
    Ok(())
}

struct State {
    /// When it last did, since it leads.
    looked: Option<DateTime<Utc>>,
    next_term: Option<DateTime<Utc>>,
    trimmed: Option<Instant>,
}

async fn round(hub: &Hub, connection: &mut PgConnection, state: &mut State) -> Result<bool> {
    let now = hub.clock.now();
    let everywhere = state.looked.is_none() || state.next_term.is_some_and(|at| at <= now);
    // Whoever led before may have looked as long ago as that.
    let looked = state.looked.unwrap_or(now - Duration::from_secs(60));
    let mut tx = connection.begin().await?;
    let scopes = feed::scopes(&mut tx, now, everywhere, looked).await?;
    let next_term = feed::next_term(&mut tx, now).await?;
    let relayed = feed::relay(&mut tx, now).await?;
    tx.commit().await?;
    (state.looked, state.next_term) = (Some(now), next_term);
    let lag = relayed.oldest.map_or(0.0, |oldest| (hub.clock.now() - oldest).as_seconds_f64().max(0.0));
    metrics::relayed(scopes.rows + relayed.rows, lag);
    let readers: Vec<_> = scopes.readers.union(&relayed.readers).copied().map(LogId::Feed).collect();
    if !readers.is_empty() {
        hub.tell(News::of(readers));
    }
    if state.trimmed.is_none_or(|at| at.elapsed() >= hub.settings.trim) {
        // A few thousand rows a time, until none is too old.
        let mut tx = connection.begin().await?;
        let gone = feed::trim(&mut tx, now, hub.window).await?;
        tx.commit().await?;
        if gone == 0 {
            state.trimmed = Some(Instant::now());
        }
    }
    Ok(relayed.more)
}
