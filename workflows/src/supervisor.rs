//! Supervision: every replica tells that it lives. One replica at a time takes over the work of dead ones and carries on
//! abandoned operations, and one at a time keeps the deadlines.

use crate::{Durable, life::Lives, timer};
use entities::{denial, engaged_property, rate, replica, work_item};
use schema::{Due, Error, Gateway, OperationId, Result, resume};
use sqlx::{PgConnection, Postgres, pool::PoolConnection};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::sync::watch;

#[derive(Debug, Clone)]
pub struct Supervision {
    pub heartbeat: Duration,
    /// The silence after which a replica counts as dead.
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
    lives: Arc<Lives>,
    settings: Supervision,
    buried: watch::Sender<bool>,
    /// The operations that this process carries on: never the same twice, never more than a few.
    resuming: Arc<Mutex<HashSet<OperationId>>>,
}

/// The numbers of the locks that give one leader at a time: for the work of the dead, and for deadlines, so that slow deadlines
/// never delay a take-over.
const TAKING_OVER: i64 = 0x6865_7374_616d_6901;
const TIMER: i64 = 0x6865_7374_616d_6902;
const RESUMING: usize = 8;
/// The longest look beside a heartbeat.
const LOOK: Duration = Duration::from_secs(1);
/// The most counts of rates that are told at a time.
const MOST_TOLD: usize = 5_000;

impl Supervisor {
    /// Enters this process in the list of replicas, and keeps the rounds going until the gateway is gone. The receiver turns true
    /// if others took this process for dead; the process must then end and come back anew.
    pub async fn start(
        gateway: &Arc<Gateway>,
        engine: &Arc<Durable>,
        lives: &Arc<Lives>,
        settings: Supervision,
    ) -> Result<watch::Receiver<bool>> {
        replica::enter(&gateway.pool, &engine.executor_id).await?;
        let (buried, receiver) = watch::channel(false);
        let supervisor = Arc::new(Supervisor {
            gateway: Arc::downgrade(gateway),
            engine: Arc::clone(engine),
            lives: Arc::clone(lives),
            settings,
            buried,
            resuming: Arc::default(),
        });
        // The tasks are separate, so that a long round never silences the heartbeat.
        tokio::spawn(Arc::clone(&supervisor).beats());
        tokio::spawn(Arc::clone(&supervisor).takes_over());
        tokio::spawn(Arc::clone(&supervisor).keeps_time());
        tokio::spawn(supervisor.keeps_lives());
        Ok(receiver)
    }

    /// The gateway after the next pause; None once it is going away.
    async fn next(&self) -> Option<Arc<Gateway>> {
        tokio::time::sleep(self.settings.heartbeat).await;
        self.gateway.upgrade().filter(|gateway| !gateway.tasks.closing())
    }

    async fn beats(self: Arc<Self>) {
        while let Some(gateway) = self.next().await {
            match replica::beat(&gateway.pool, &self.engine.executor_id).await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::error!("other replicas took this one for dead: leaving");
                    let _ = self.buried.send(true);
                    return;
                }
                Err(error) => error.trace(),
            }
            // A heartbeat is never late for it.
            let looked = tokio::time::timeout(self.settings.heartbeat.max(LOOK), self.looks(&gateway)).await;
            if let Err(error) = looked.unwrap_or_else(|elapsed| Err(Error::unavailable(elapsed))) {
                error.trace();
            }
        }
    }

    /// Looks at the database's clock, at what is denied, and at how much was asked for at the other replicas: one statement after
    /// the other, so that a heartbeat takes one connection.
    async fn looks(&self, gateway: &Gateway) -> Result<()> {
        // A clock that is off is told where it changes something.
        let _ = agrees(gateway).await;
        gateway.denied.now(denial::all(&gateway.pool).await?);
        let paid = gateway.rates.untold(MOST_TOLD);
        if !paid.is_empty() {
            let elsewhere = rate::settle(&gateway.pool, &self.engine.executor_id, &paid).await?;
            gateway.rates.told(&paid, &elsewhere);
        }
        Ok(())
    }

    async fn takes_over(self: Arc<Self>) {
        while let Some(gateway) = self.next().await {
            leading(&gateway, TAKING_OVER, async |_| self.round(&gateway).await).await;
        }
    }

    async fn keeps_time(self: Arc<Self>) {
        while let Some(gateway) = self.next().await {
            leading(&gateway, TIMER, async |connection| {
                agrees(&gateway).await?;
                timer::round(&gateway, connection, &self.lives.procedures()).await?;
                for sql in [engaged_property::CATCH_UP, work_item::CATCH_UP] {
                    kind::in_line::catch_up(connection, sql, gateway.clock.now()).await?;
                }
                Ok(())
            })
            .await;
        }
    }

    async fn keeps_lives(self: Arc<Self>) {
        while let Some(gateway) = self.next().await {
            let looked = async {
                agrees(&gateway).await?;
                self.lives.round(&gateway).await
            };
            if let Err(error) = looked.await {
                error.trace();
            }
        }
    }

    async fn round(&self, gateway: &Arc<Gateway>) -> Result<()> {
        agrees(gateway).await?;
        let now = gateway.clock.now();
        let dead = replica::bury(&gateway.pool, self.settings.dead_after).await?;
        let mut adopted = self.engine.adopt(&dead).await?;
        adopted.extend(self.lives.adopt(&dead).await?);
        if !adopted.is_empty() {
            tracing::info!(workflows = adopted.len(), "adopted the work of dead replicas");
        }
        self.engine.unstick(Duration::from_secs(60)).await?;
        for due in gateway.operations.abandoned(now, self.settings.abandoned_after).await? {
            let mut resuming = self.resuming.lock().unwrap_or_else(PoisonError::into_inner);
            if resuming.len() < RESUMING && resuming.insert(due.id) {
                self.carry_on(gateway, due);
            }
        }
        gateway.operations.forget_expired(now).await?;
        self.engine.forget(self.settings.retention).await?;
        rate::forget(&gateway.pool).await?;
        replica::forget(&gateway.pool).await
    }

    fn carry_on(&self, gateway: &Arc<Gateway>, due: Due) {
        let (gateway_, resuming) = (Arc::clone(gateway), Arc::clone(&self.resuming));
        gateway.tasks.spawn(async move {
            if let Err(error) = resume(&gateway_, due.organization, due.id).await {
                error.trace();
            }
            resuming.lock().unwrap_or_else(PoisonError::into_inner).remove(&due.id);
        });
    }
}

/// Compares the clock with the database's. Refuses, if they differ by too much.
async fn agrees(gateway: &Gateway) -> Result<()> {
    if !gateway.drift.watched() {
        return Ok(());
    }
    let before = gateway.clock.now();
    let theirs = replica::time(&gateway.pool).await?;
    gateway.drift.compare(before, theirs, gateway.clock.now())
}

/// Does the work if no other replica is doing it, with the connection that holds the lock.
async fn leading(gateway: &Gateway, lock: i64, work: impl AsyncFnOnce(&mut PgConnection) -> Result<()>) {
    let led = async {
        let Some(mut leadership) = Leadership::take(gateway, lock).await? else { return Ok(()) };
        let Some(connection) = leadership.0.as_mut() else { return Ok(()) };
        let done = work(connection).await;
        leadership.give_back(lock).await?;
        done
    };
    if let Err(error) = led.await {
        error.trace();
    }
}

/// An advisory lock. The lock belongs to its session, which ends too if the work ends early.
struct Leadership(Option<PoolConnection<Postgres>>);

impl Leadership {
    async fn take(gateway: &Gateway, lock: i64) -> Result<Option<Leadership>> {
        let mut leadership = Leadership(Some(gateway.pool.acquire().await?));
        let Some(connection) = leadership.0.as_mut() else { return Ok(None) };
        let leads: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(lock).fetch_one(&mut **connection).await?;
        if leads {
            return Ok(Some(leadership));
        }
        drop(leadership.0.take());
        Ok(None)
    }

    async fn give_back(mut self, lock: i64) -> Result<()> {
        let Some(connection) = self.0.as_mut() else { return Ok(()) };
        sqlx::query("SELECT pg_advisory_unlock($1)").bind(lock).execute(&mut **connection).await?;
        drop(self.0.take());
        Ok(())
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}
