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
use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    time::Duration,
};

/// Both servers, running.
pub struct Stack {
    pub postgres: Postgres,
    pub cerbos: Option<Child>,
    pub cerbos_url: String,
    setup: Setup,
}

/// Everything that the servers are started with.
struct Setup {
    spawner: Spawner,
    folders: Folders,
    password: String,
    policies: Option<PathBuf>,
    tuning: Tuning,
}

/// The interval at which the servers are looked after.
const LOOKS: Duration = Duration::from_millis(250);
/// The longest wait before another try to start one.
const LONGEST: Duration = Duration::from_secs(15);

impl Stack {
    /// Starts PostgreSQL and, if `policies` are given, Cerbos.
    pub async fn start(folders: Folders, password: &str, policies: Option<&Path>, tuning: Tuning) -> Result<Stack, Fault> {
        let spawner = Spawner::start()?;
        let postgres = Postgres::start(&spawner, &folders, password, tuning).await?;
        let (cerbos, cerbos_url) = match policies {
            Some(policies) => {
                let (child, url) = cerbos::start(&spawner, &folders, policies).await?;
                (Some(child), url)
            }
            None => (None, String::new()),
        };
        let (password, policies) = (password.to_owned(), policies.map(Path::to_owned));
        Ok(Stack { postgres, cerbos, cerbos_url, setup: Setup { spawner, folders, password, policies, tuning } })
    }

    /// Starts a server again that ended, for as long as it takes: a disk may be full for a while.
    pub async fn keep(&mut self) -> Infallible {
        let mut wait = LOOKS;
        loop {
            tokio::time::sleep(wait).await;
            match self.again().await {
                Ok(()) => wait = LOOKS,
                Err(problem) => {
                    wait = (2 * wait).min(LONGEST);
                    tracing::error!(%problem, "a server cannot be started again; the next try comes in {wait:?}");
                }
            }
        }
    }

    async fn again(&mut self) -> Result<(), Fault> {
        let Setup { spawner, folders, password, policies, tuning } = &self.setup;
        if self.postgres.exited() {
            tracing::error!("PostgreSQL has ended: it is started again");
            self.postgres = Postgres::start(spawner, folders, password, *tuning).await?;
        }
        if let (Some(cerbos), Some(policies)) = (&mut self.cerbos, policies)
            && cerbos.exited().is_some()
        {
            tracing::error!("Cerbos has ended: it is started again");
            let (child, url) = cerbos::start(spawner, folders, policies).await?;
            (*cerbos, self.cerbos_url) = (child, url);
        }
        Ok(())
    }

    pub async fn stop(self) {
        if let Some(mut cerbos) = self.cerbos {
            cerbos.stop(nix::sys::signal::Signal::SIGTERM).await;
        }
        self.postgres.stop().await;
    }
}
