//! Faults for crash tests: every mutation stops at one boundary, until the process is killed or is told to go on by SIGUSR2.

use async_trait::async_trait;
use schema::{Boundary, Faults, Result};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

pub struct Park {
    at: Boundary,
    released: watch::Receiver<bool>,
}

impl Park {
    pub fn at(at: Boundary) -> std::io::Result<Park> {
        let mut told = signal(SignalKind::user_defined2())?;
        let (release, released) = watch::channel(false);
        tokio::spawn(async move {
            told.recv().await;
            let _ = release.send(true);
            // The sender is kept, so that the receivers do not see its end instead.
            std::future::pending::<()>().await;
        });
        Ok(Park { at, released })
    }
}

#[async_trait]
impl Faults for Park {
    async fn at(&self, boundary: Boundary, procedure: &'static str) -> Result<()> {
        if boundary == self.at && !*self.released.borrow() {
            // Tests wait for this line.
            eprintln!("parked {procedure} {}", boundary.as_str());
            let _ = self.released.clone().wait_for(|released| *released).await;
        }
        Ok(())
    }
}
