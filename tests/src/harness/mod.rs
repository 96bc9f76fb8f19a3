//! A world of its own for each test: a database cloned from the migrated template, a gateway in
//! this process with its own clock and ids, and people with tokens.

mod cluster;
mod contract;
pub mod examples;
mod explain;
mod faults;
mod kinds;
pub mod people;
mod process;
pub mod rows;
pub mod subscriber;
mod world;

pub use cluster::{Cluster, PASSWORD, cluster, folder, root};
pub use contract::{Contract, Field, Type};
pub use explain::Explain;
pub use faults::{Gate, Shaky};
pub use kinds::{Kind, kinds, shown_by};
pub use people::{Person, person};
pub use process::{Process, binary};
pub use subscriber::Socket;
pub use world::START;
pub use world::{Answer, Options, World, process_environment};

use std::time::{Duration, Instant};

/// Waits for a condition, never for a time. Panics with the name of the condition.
pub async fn until<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    until_or(what, &mut String::new(), async |_| check().await).await
}

/// Like [`until`], with a check that says what is still missing.
pub async fn until_or<T>(what: &str, missing: &mut String, mut check: impl AsyncFnMut(&mut String) -> Option<T>) -> T {
    let limit = Instant::now() + Duration::from_secs(40);
    loop {
        if let Some(found) = check(missing).await {
            return found;
        }
        assert!(Instant::now() < limit, "waited in vain for {what}: {missing}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
