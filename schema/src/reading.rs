//! A reading: its actor, its transaction, and the rows of each kind that the actor may see. Procedures and queries read by the
//! same trait.

use crate::{Actor, Allowed, Context, OrganizationId, Result, Snapshot, Tx};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::Condition;

#[async_trait]
pub trait Reading: Send + Sync {
    async fn tx(&self) -> Result<&Tx>;
    fn actor(&self) -> &Actor;
    fn now(&self) -> DateTime<Utc>;

    /// The rows of a kind that the reader may see. A kind that was not planned has none, or is an error.
    fn filter(&self, kind: &'static str) -> Result<Condition>;

    /// Lets the transaction reach these organizations as well, as far as grants cover them.
    async fn reach(&self, organizations: &[OrganizationId]) -> Result<()>;

    /// The organization whose data is read, where nothing else says it.
    fn owner(&self) -> OrganizationId {
        self.actor().owner()
    }

    fn acting(&self) -> OrganizationId {
        self.actor().organization
    }
}

#[async_trait]
impl Reading for Snapshot {
    async fn tx(&self) -> Result<&Tx> {
        Ok(&self.tx)
    }
    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn now(&self) -> DateTime<Utc> {
        self.now
    }
    fn filter(&self, kind: &'static str) -> Result<Condition> {
        Snapshot::filter(self, kind)
    }
    async fn reach(&self, organizations: &[OrganizationId]) -> Result<()> {
        Ok(self.tx.reach(self.actor.organization, organizations).await?)
    }
}

/// A procedure that reads, with the proof that it may.
pub struct Proven<'a, S> {
    cx: &'a Context,
    allowed: &'a Allowed<S>,
}

impl Context {
    pub fn proven<'a, S>(&'a self, allowed: &'a Allowed<S>) -> Proven<'a, S> {
        Proven { cx: self, allowed }
    }
}

#[async_trait]
impl<S: Send + Sync> Reading for Proven<'_, S> {
    async fn tx(&self) -> Result<&Tx> {
        self.cx.tx().await
    }
    fn actor(&self) -> &Actor {
        &self.cx.actor
    }
    fn now(&self) -> DateTime<Utc> {
        self.cx.now()
    }
    fn filter(&self, kind: &'static str) -> Result<Condition> {
        Ok(self.allowed.filter(kind))
    }
    async fn reach(&self, organizations: &[OrganizationId]) -> Result<()> {
        Ok(self.cx.tx().await?.reach(self.acting(), organizations).await?)
    }
}
