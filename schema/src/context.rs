//! What a procedure works with: who acts, the time, fresh ids, the transaction, and the list of
//! what changed.

use crate::{Actor, Gateway, Mode, Name, NewEvent, OperationId, OrganizationId, Result, Rights, Tx, standing};
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
    leave: Mutex<Option<Uuid>>,
}

impl Context {
    /// For judging and for reads: a read-only transaction, begun when first asked for.
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
            leave: Mutex::default(),
        }
    }

    /// For the domain transaction of an operation.
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

    /// Whose data this is about: the acting organization, unless it works through a grant.
    pub fn owner(&self) -> OrganizationId {
        self.actor.owner()
    }

    /// What the actor may see, in a word that changes with it.
    pub async fn rights(&self) -> Result<Rights> {
        Ok(standing(&self.gateway, &self.actor).await?.rights)
    }

    /// How long a cursor can be gone on from.
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

    /// True inside the domain transaction: what is read to be changed must be locked.
    pub fn locking(&self) -> bool {
        self.mode == Mode::Write
    }

    /// Says by which delegation this is done.
    pub fn by_leave(&self, delegation: Uuid) {
        *self.leave.lock().unwrap_or_else(PoisonError::into_inner) = Some(delegation);
    }

    /// By whose leave it is done, where the actor is none of the owner's own: a grant or a delegation.
    pub fn leave(&self) -> Option<Uuid> {
        let delegation = *self.leave.lock().unwrap_or_else(PoisonError::into_inner);
        self.actor.through.map(|through| through.grant.0).or(delegation)
    }

    /// Says what changed. Written with the outcome, or not at all.
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

/// How the acting organization stands to what another, or itself, owns. So the organizations that
/// someone may see need not be told to the policy one by one.
pub fn relation(owner: OrganizationId, acting: OrganizationId) -> &'static str {
    if owner == acting { "OWN" } else { "ENGAGED" }
}
