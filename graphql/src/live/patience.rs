//! Retries of work that is unavailable for a while.

use schema::{Code, Error, Result};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// The longest time that work is tried again, before the client is asked to come back.
const PATIENCE: Duration = Duration::from_secs(10);

/// A pause that grows with each try.
pub struct Patience {
    until: Instant,
    pause: Duration,
}

impl Patience {
    pub fn begin() -> Patience {
        Patience { until: Instant::now() + PATIENCE, pause: Duration::from_millis(20) }
    }

    /// Waits for the next try, or returns the error if there is none.
    pub async fn again(&mut self, error: Error) -> Result<()> {
        if error.code() != Code::UNAVAILABLE || Instant::now() >= self.until {
            return Err(error);
        }
        error.trace();
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_secs(1));
        Ok(())
    }
}

/// The result of the work, which is tried again for a while.
macro_rules! patiently {
    ($work:expr) => {{
        let mut patience = $crate::live::patience::Patience::begin();
        loop {
            match $work {
                Ok(done) => break Ok(done),
                Err(error) => {
                    if let Err(error) = patience.again(error).await {
                        break Err(error);
                    }
                }
            }
        }
    }};
}
pub(super) use patiently;
