//! The relay, which writes the feeds of organizations that look after others. One process at a time leads. Each round is one
//! transaction, so that a kill at any moment neither loses nor doubles entries. A leader that dies loses the lead with its
//! connection.

use crate::{Hub, metrics, news::News};
use chrono::{DateTime, Utc};
use entities::feed;
use schema::{Error, LogId, Result};
use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use std::{
    sync::{PoisonError, Weak},
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};

const LEADING: i64 = 0x6865_7374_616d_6a01;
/// A short wait, so that commits that come together share one round.
const GATHER: Duration = Duration::from_millis(10);
/// The longest time without a leader that a new leader makes up for.
const BEFORE: Duration = Duration::from_secs(24 * 3600);
/// The longest time that a round may take; after that it counts as hanging.
const ROUND: Duration = Duration::from_secs(15);

pub(crate) async fn run(hub: Weak<Hub>) {
    while let Some(here) = hub.upgrade() {
        if *here.stopped().borrow() {
            return;
        }
        if let Err(error) = lead(&here).await {
            error.trace();
        }
        let pause = here.settings.backstop;
        drop(here);
        sleep(pause).await;
    }
}

/// Takes the lead as soon as it is free, and keeps it until the connection breaks or the hub stops.
async fn lead(hub: &Hub) -> Result<()> {
    let options: PgConnectOptions = hub.settings.url.parse()?;
    let mut connection = options.application_name("hestami-relay").connect().await?;
    // A paused process must not lead: the database ends its session.
    sqlx::query("SELECT set_config('idle_session_timeout', '5s', false)").execute(&mut connection).await?;
    let mut stopped = hub.stopped();
    let mut leads = false;
    let mut state = State { looked: None, trimmed: None, full: None };
    while !*stopped.borrow() {
        if !leads {
            leads = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LEADING).fetch_one(&mut connection).await?;
        }
        let more = match leads {
            true => timeout(ROUND, round(hub, &mut connection, &mut state)).await.map_err(Error::unavailable)??,
            false => false,
        };
        if more {
            continue;
        }
        tokio::select! {
            () = hub.relay.notified(), if leads => sleep(GATHER).await,
            () = sleep(hub.settings.backstop) => {}
            () = crate::closed(&mut stopped) => {}
        }
    }
    connection.close().await?;
    Ok(())
}

struct State {
    /// The time up to which changes of sight were found.
    looked: Option<DateTime<Utc>>,
    trimmed: Option<Instant>,
    /// The start of the last round over all logs.
    full: Option<Instant>,
}

async fn round(hub: &Hub, connection: &mut PgConnection, state: &mut State) -> Result<bool> {
    // A term that began or ended before `seen` has done so on every replica's clock.
    let (now, seen) = (hub.clock.now(), hub.clock.now() - hub.settings.skew);
    // A new leader does not know when the one before it looked last.
    let looked = state.looked.unwrap_or(seen - BEFORE);
    let grown = std::mem::take(&mut *hub.grown.lock().unwrap_or_else(PoisonError::into_inner));
    let full = grown.anything || state.full.is_none_or(|at| at.elapsed() >= hub.settings.backstop);
    let of = (!full).then(|| grown.logs.iter().map(|log| log.organization()).collect());
    let mut tx = connection.begin().await?;
    let scopes = feed::scopes(&mut tx, seen, state.looked.is_none(), looked).await?;
    let relayed = feed::relay(&mut tx, now, of).await?;
    tx.commit().await?;
    state.looked = Some(seen);
    if full {
        state.full = Some(Instant::now());
    }
    let lag = relayed.oldest.map_or(0.0, |oldest| (hub.clock.now() - oldest).as_seconds_f64().max(0.0));
    metrics::relayed(scopes.rows + relayed.rows, lag);
    let readers: Vec<_> = scopes.readers.union(&relayed.readers).copied().map(LogId::Feed).collect();
    if !readers.is_empty() {
        hub.announce(News::of(readers));
    }
    if state.trimmed.is_none_or(|at| at.elapsed() >= hub.settings.trim) {
        // Each round trims a few thousand rows, until none is too old.
        let mut tx = connection.begin().await?;
        let gone = feed::trim(&mut tx, now, hub.window).await?;
        tx.commit().await?;
        if gone == 0 {
            state.trimmed = Some(Instant::now());
        }
    }
    if relayed.more {
        hub.grown.lock().unwrap_or_else(PoisonError::into_inner).merge(News::anything());
    }
    Ok(relayed.more)
}
