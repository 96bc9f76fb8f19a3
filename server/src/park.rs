//! For crash tests: every mutation stops for ever at one boundary, until the process is killed.

use async_trait::async_trait;
use schema::{Boundary, Faults, Result};

pub struct Park(pub Boundary);

#[async_trait]
impl Faults for Park {
    async fn at(&self, boundary: Boundary, procedure: &'static str) -> Result<()> {
        if boundary == self.0 {
            // Tests wait for this line.
            eprintln!("parked {procedure} {}", boundary.as_str());
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}
