//! PostgreSQL and Cerbos as children of this process, so that one command runs everything. They
//! listen on sockets in a private folder and die with their parent, however it ends.

mod cerbos;
mod children;
mod folders;
mod postgres;

pub use cerbos::start as start_cerbos;
pub use children::{Child, Spawner};
pub use folders::{Folders, Lock};
pub use postgres::{Postgres, Tuning, url as socket_url};

use crate::Fault;
use std::path::Path;

/// Both servers, running.
pub struct Stack {
    pub postgres: Postgres,
    pub cerbos: Option<Child>,
    pub cerbos_url: String,
}

impl Stack {
    /// Starts PostgreSQL and, if `policies` are given, Cerbos.
    pub async fn start(folders: &Folders, password: &str, policies: Option<&Path>, tuning: Tuning) -> Result<Stack, Fault> {
        let spawner = Spawner::start()?;
        let postgres = Postgres::start(&spawner, folders, password, tuning).await?;
        let (cerbos, cerbos_url) = match policies {
            Some(policies) => {
                let (child, url) = cerbos::start(&spawner, folders, policies).await?;
                (Some(child), url)
            }
            None => (None, String::new()),
        };
        Ok(Stack { postgres, cerbos, cerbos_url })
    }

    pub async fn stop(self) {
        if let Some(mut cerbos) = self.cerbos {
            cerbos.stop(nix::sys::signal::Signal::SIGTERM).await;
        }
        self.postgres.stop().await;
    }
}
