//! The plans of the statements that a world's gateways really run, from the server's log.

use super::{Cluster, World, until};
use sqlx::{AssertSqlSafe, Executor};
use std::path::PathBuf;

pub struct Explain {
    log: PathBuf,
    database: String,
    from: usize,
}

/// A statement and its plan.
#[derive(Debug)]
pub struct Explained {
    pub text: String,
    pub plan: String,
}

impl Explain {
    /// A fresh database, in which the server logs the plan of each statement of later connections.
    pub async fn database(cluster: &Cluster) -> String {
        let name = cluster.database().await;
        let mut superuser = cluster.connect("postgres", "postgres").await;
        for setting in [
            "session_preload_libraries = 'auto_explain'",
            "auto_explain.log_min_duration = 0",
            "auto_explain.log_analyze = on",
            "auto_explain.log_timing = off",
            "log_min_messages = 'log'",
        ] {
            let sql = AssertSqlSafe(format!("ALTER DATABASE {name} SET {setting}"));
            superuser.execute(sql).await.expect("a setting");
        }
        name
    }

    /// The statements of a world from now on.
    pub fn of(world: &World) -> Explain {
        let log = world.cluster.log();
        let from = std::fs::read(&log).expect("a log").len();
        Explain { log, database: world.database.clone(), from }
    }

    /// The statements that read this table, once there are some.
    pub async fn statements(&self, table: &str) -> Vec<Explained> {
        self.saying(&format!("FROM \"{table}\"")).await
    }

    /// The statements that contain these words, once there are some.
    pub async fn saying(&self, words: &str) -> Vec<Explained> {
        until("the plan of a statement", async || {
            let log = std::fs::read(&self.log).expect("a log");
            let text = String::from_utf8_lossy(&log[self.from..]).into_owned();
            // The line of an entry begins with its database; others run in theirs meanwhile.
            let (parts, own): (Vec<_>, _) = (text.split("LOG:  duration:").collect(), format!("] {}", self.database));
            let entries = parts.windows(2).filter(|pair| pair[0].trim_end().ends_with(&own)).filter_map(|pair| {
                let (text, plan) = pair[1].split_once("Query Text:")?.1.split_once('\n')?;
                Some(Explained { text: text.trim().to_owned(), plan: plan.to_owned() })
            });
            let found: Vec<_> = entries.filter(|entry| entry.text.contains(words)).collect();
            (!found.is_empty()).then_some(found)
        })
        .await
    }
}

impl Explained {
    /// Asserts that the statement found its rows by an index that leads with the organization, and read few others.
    #[track_caller]
    pub fn uses_index(&self, table: &str) {
        assert!(!self.plan.contains(&format!("Seq Scan on {table}")), "{}\n{}", self.text, self.plan);
        let mut conditions = self.plan.lines().filter(|line| line.contains("Index Cond:"));
        assert!(conditions.any(|line| line.contains("organization_id")), "{}\n{}", self.text, self.plan);
        for line in self.plan.lines().filter(|line| line.contains(" Scan ") && line.contains(&format!(" on {table}"))) {
            let number = |of: &str| -> f64 {
                let after = line.split_once(of).map_or("0", |(_, after)| after);
                after.split([' ', ')']).next().and_then(|text| text.parse().ok()).unwrap_or_default()
            };
            let read = number("actual rows=") * number("loops=");
            assert!(read <= 200.0, "{read} rows were read: {}\n{}", self.text, self.plan);
        }
        for line in self.plan.lines().filter_map(|line| line.split_once("Rows Removed by Filter: ")) {
            let removed: usize = line.1.trim().parse().expect("a number");
            assert!(removed <= 200, "{removed} rows were read in vain: {}\n{}", self.text, self.plan);
        }
    }
}
