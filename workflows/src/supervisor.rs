//! Every replica tells that it lives; one of them at a time takes over the work of those that do
//! not, carries on what nobody carries on, and runs the timers.

use crate::Durable;
use entities::replica;
use schema::{Gateway, Result, Tick, resume};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::watch;

#[derive(Debug, Clone)]
pub struct Supervision {
    pub heartbeat: Duration,
    /// After this silence a replica counts as dead.
    pub dead_after: Duration,
    /// After this an operation that nobody works on is taken up.
    pub abandoned_after: Duration,
    pub retention: Duration,
}

impl Default for Supervision {
    fn default() -> Self {
        Supervision {
            heartbeat: Duration::from_secs(1),
            dead_after: Duration::from_secs(10),
            abandoned_after: Duration::from_secs(15),
            retention: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

pub struct Supervisor {
    gateway: Weak<Gateway>,
    engine: Arc<Durable>,
    settings: Supervision,
    ticks: &'static [Tick],
    buried: watch::Sender<bool>,
}

/// One leader at a time, by this lock's number.
const LEADER: i64 = 0x6865_7374_616d_6901;

impl Supervisor {
    /// Enters the list of replicas and keeps the round going until the gateway is gone. The
    /// receiver turns true if others took this process for dead: it must end and come back anew.
    pub async fn start(
        gateway: &Arc<Gateway>,
        engine: &Arc<Durable>,
        settings: Supervision,
        ticks: &'static [Tick],
    ) -> Result<watch::Receiver<bool>> {
        replica::enter(&gateway.pool, &engine.executor_id, gateway.clock.now()).await?;
        let (buried, receiver) = watch::channel(false);
        let supervisor =
            Arc::new(Supervisor { gateway: Arc::downgrade(gateway), engine: Arc::clone(engine), settings, ticks, buried });
        // Apart, so that a long round never silences the heartbeat.
        tokio::spawn(Arc::clone(&supervisor).beats());
        tokio::spawn(supervisor.rounds());
        Ok(receiver)
    }

    /// The gateway after the next pause; none once it is going away.
    async fn next(&self) -> Option<Arc<Gateway>> {
        tokio::time::sleep(self.settings.heartbeat).await;
        self.gateway.upgrade().filter(|gateway| !gateway.tasks.closing())
    }

    async fn beats(self: Arc<Self>) {
        while let Some(gateway) = self.next().await {
            match replica::beat(&gateway.pool, &self.engine.executor_id, gateway.clock.now()).await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::error!("other replicas took this one for dead: leaving");
                    let _ = self.buried.send(true);
                    return;
                }
                Err(error) => error.trace(),
            }
        }
    }

    async fn rounds(self: Arc<Self>) {
        while let Some(gateway) = self.next().await {
            if let Err(error) = self.lead(&gateway).await {
                error.trace();
            }
        }
    }

    /// Does the round if no other replica is doing it. The lock goes with its connection.
    async fn lead(&self, gateway: &Arc<Gateway>) -> Result<()> {
        let mut connection = gateway.pool.acquire().await?;
        let leads: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LEADER).fetch_one(&mut *connection).await?;
        if !leads {
            return Ok(());
        }
        let done = self.round(gateway).await;
        let freed = sqlx::query("SELECT pg_advisory_unlock($1)").bind(LEADER).execute(&mut *connection).await;
        if freed.is_err() {
            drop(connection.detach());
        }
        done
    }

    async fn round(&self, gateway: &Arc<Gateway>) -> Result<()> {
        let now = gateway.clock.now();
        let dead = replica::bury(&gateway.pool, now - self.settings.dead_after, now).await?;
        let adopted = self.engine.adopt(&dead).await?;
        if !adopted.is_empty() {
            tracing::info!(workflows = adopted.len(), "adopted the work of dead replicas");
        }
        self.engine.unstick(Duration::from_secs(60)).await?;
        for due in gateway.operations.abandoned(now, self.settings.abandoned_after).await? {
            let gateway_ = Arc::clone(gateway);
            gateway.tasks.spawn(async move {
                if let Err(error) = resume(&gateway_, due.organization, due.id).await {
                    error.trace();
                }
            });
        }
        for tick in self.ticks {
            if let Err(error) = tick(Arc::clone(gateway)).await {
                error.trace();
            }
        }
        gateway.operations.forget_expired(now).await?;
        self.engine.forget(self.settings.retention).await?;
        replica::forget(&gateway.pool, now - chrono::Duration::days(1)).await
    }
}
