//! Operations that a request of this process waits for: what was recorded needs not be read again by the workflow, nor its
//! end by the request. Whoever is not here reads the row.

use crate::{OperationId, Stored};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::oneshot;

#[derive(Default)]
pub struct Waits(Mutex<HashMap<OperationId, Wait>>);

struct Wait {
    recorded: Arc<Stored>,
    end: Option<oneshot::Sender<Stored>>,
}

/// As long as it is held, the end is told.
pub(crate) struct Waiting<'a> {
    waits: &'a Waits,
    id: OperationId,
    pub end: oneshot::Receiver<Stored>,
}

impl Waits {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<OperationId, Wait>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Equal keys take turns, so one at a time waits for an operation.
    pub(crate) fn begin(&self, recorded: Arc<Stored>) -> Waiting<'_> {
        let (sender, end) = oneshot::channel();
        let id = recorded.view.id;
        self.with(|all| all.insert(id, Wait { recorded, end: Some(sender) }));
        Waiting { waits: self, id, end }
    }

    pub(crate) fn recorded(&self, id: OperationId) -> Option<Arc<Stored>> {
        self.with(|all| all.get(&id).map(|wait| Arc::clone(&wait.recorded)))
    }

    pub(crate) fn ended(&self, stored: Stored) {
        let waiting = self.with(|all| all.get_mut(&stored.view.id).and_then(|wait| wait.end.take()));
        if let Some(waiting) = waiting {
            // Nobody may wait any more.
            let _ = waiting.send(stored);
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.waits.with(|all| all.remove(&self.id));
    }
}
