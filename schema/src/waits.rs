//! Operations that a request of this process waits for. The workflow need not read the recorded row again, and the request need
//! not read the end. Workflows and requests of other processes read the row.

use crate::{OperationId, OperationRow};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::oneshot;

#[derive(Default)]
pub struct Waits(Mutex<HashMap<OperationId, Wait>>);

struct Wait {
    recorded: Arc<OperationRow>,
    end: Option<oneshot::Sender<OperationRow>>,
}

/// A wait for an operation's end, which is told as long as this is held.
pub(crate) struct Waiting<'a> {
    waits: &'a Waits,
    id: OperationId,
    pub end: oneshot::Receiver<OperationRow>,
}

impl Waits {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<OperationId, Wait>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Begins a wait. Requests with equal keys take turns, so one of them at a time waits for an operation.
    pub(crate) fn begin(&self, recorded: Arc<OperationRow>) -> Waiting<'_> {
        let (sender, end) = oneshot::channel();
        let id = recorded.view.id;
        self.with(|all| all.insert(id, Wait { recorded, end: Some(sender) }));
        Waiting { waits: self, id, end }
    }

    pub(crate) fn recorded(&self, id: OperationId) -> Option<Arc<OperationRow>> {
        self.with(|all| all.get(&id).map(|wait| Arc::clone(&wait.recorded)))
    }

    pub(crate) fn ended(&self, stored: OperationRow) {
        let waiting = self.with(|all| all.get_mut(&stored.view.id).and_then(|wait| wait.end.take()));
        if let Some(waiting) = waiting {
            // The receiver may be gone by now.
            let _ = waiting.send(stored);
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.waits.with(|all| all.remove(&self.id));
    }
}
