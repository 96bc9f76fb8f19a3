use async_trait::async_trait;
use schema::{Boundary, Error, Faults, Result};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::Semaphore;

/// Holds work at one boundary until the test lets it go.
pub struct Gate {
    at: Boundary,
    pub held: AtomicUsize,
    pass: Semaphore,
}

impl Gate {
    pub fn at(boundary: Boundary) -> Arc<Gate> {
        Arc::new(Gate { at: boundary, held: AtomicUsize::new(0), pass: Semaphore::new(0) })
    }

    /// Lets everything pass from now on.
    pub fn open(&self) {
        self.pass.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    pub async fn someone_waits(&self) {
        super::until("someone at the gate", async || (self.held.load(Ordering::SeqCst) > 0).then_some(())).await;
    }
}

#[async_trait]
impl Faults for Gate {
    async fn at(&self, boundary: Boundary, _: &'static str) -> Result<()> {
        if boundary == self.at {
            self.held.fetch_add(1, Ordering::SeqCst);
            let _pass = self.pass.acquire().await;
        }
        Ok(())
    }
}

/// Fails transiently at one boundary, as many times as are left.
pub struct Shaky {
    at: Boundary,
    pub left: AtomicUsize,
}

impl Shaky {
    pub fn at(boundary: Boundary, times: usize) -> Arc<Shaky> {
        Arc::new(Shaky { at: boundary, left: AtomicUsize::new(times) })
    }
}

#[async_trait]
impl Faults for Shaky {
    async fn at(&self, boundary: Boundary, _: &'static str) -> Result<()> {
        if boundary == self.at && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(Error::unavailable("shaken by the test"));
        }
        Ok(())
    }
}
