//! The context of a procedure: the actor, the time, fresh ids, the transaction, and the list of changes.

use crate::{Actor, Gateway, Mode, Name, NewEvent, OperationId, OrganizationId, Result, Rights, Tx, visibility};
use chrono::{DateTime, Utc};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::OnceCell;
use uuid::Uuid;

pub struct Context {
    gateway: Arc<Gateway>,
    pub actor: Actor,
    pub operation: Option<OperationId>,
    pub trace_id: String,
    /// The operation's procedure; none for judging and reads.
    pub procedure: Option<Name>,
    now: DateTime<Utc>,
    mode: Mode,
    tx: OnceCell<Tx>,
    events: Mutex<Vec<NewEvent>>,
    permit: Mutex<Option<Uuid>>,
}

impl Context {
    /// A context for judging and for reads. Its read-only transaction begins at the first use.
    pub fn reading(gateway: &Arc<Gateway>, actor: Actor) -> Self {
        Context {
            gateway: Arc::clone(gateway),
            actor,
            operation: None,
            trace_id: crate::current_trace_id(),
            procedure: None,
            now: gateway.clock.now(),
            mode: Mode::Read,
            tx: OnceCell::new(),
            events: Mutex::default(),
            permit: Mutex::default(),
        }
    }

    /// A context for the domain transaction of an operation.
    pub(crate) fn domain(
        gateway: &Arc<Gateway>,
        actor: Actor,
        operation: OperationId,
        trace_id: String,
        procedure: Name,
        tx: Tx,
    ) -> Self {
        Context {
            operation: Some(operation),
            trace_id,
            procedure: Some(procedure),
            mode: Mode::Write,
            tx: OnceCell::new_with(Some(tx)),
            ..Context::reading(gateway, actor)
        }
    }

    /// The acting organization.
    pub fn organization(&self) -> OrganizationId {
        self.actor.organization
    }

    /// The owner of the data: the acting organization, or the grant's owner where the actor works through a grant.
    pub fn owner(&self) -> OrganizationId {
        self.actor.owner()
    }

    /// A hash of all that decides what the actor may see.
    pub async fn rights(&self) -> Result<Rights> {
        Ok(visibility(&self.gateway, &self.actor).await?.rights)
    }

    /// Refuses one more thing of a table, if an organization has as many as it may.
    pub async fn ensure_room(&self, organization: OrganizationId, table: &'static str, open: &str) -> Result<()> {
        self.gateway.things.ensure(self.tx().await?, organization, table, open).await
    }

    /// The time for which a cursor stays usable.
    pub fn window(&self) -> Duration {
        self.gateway.limits.window
    }

    pub fn service_issuer(&self) -> &str {
        self.gateway.identity.service_issuer()
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    pub fn new_id<T: From<Uuid>>(&self) -> T {
        self.gateway.ids.id(self.now).into()
    }

    pub async fn tx(&self) -> Result<&Tx> {
        let begin = async || Tx::begin(&self.gateway.lanes, &self.actor.reach(self.now), self.mode).await;
        Ok(self.tx.get_or_try_init(begin).await?)
    }

    /// True inside the domain transaction, where a row that is read to be changed must be locked.
    pub fn locking(&self) -> bool {
        self.mode == Mode::Write
    }

    /// Sets the delegation that permits the work from here on.
    pub fn on_behalf_of(&self, delegation: Uuid) {
        *self.permit.lock().unwrap_or_else(PoisonError::into_inner) = Some(delegation);
    }

    /// The grant or the delegation that permits the work, where the actor is none of the owner's own people.
    pub fn permit(&self) -> Option<Uuid> {
        let delegation = *self.permit.lock().unwrap_or_else(PoisonError::into_inner);
        self.actor.through.map(|through| through.grant.0).or(delegation)
    }

    /// Adds an event. Events are written with the outcome, or not at all.
    pub fn changed(&self, event: NewEvent) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    pub(crate) fn take_events(&self) -> Vec<NewEvent> {
        std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn into_tx(self) -> Option<Tx> {
        self.tx.into_inner()
    }
}

/// The relation of the acting organization to an owner. Policies judge by it, so the organizations that someone may see need not
/// be told to them one by one.
pub fn relation(owner: OrganizationId, acting: OrganizationId) -> &'static str {
    if owner == acting { "OWN" } else { "ENGAGED" }
}
