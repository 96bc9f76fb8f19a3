//! The gateway: everything that a request needs, wired once by the server.

use crate::{
    Chance, Clock, Code, Decide, Denied, Drift, Engine, Entry, Faults, Guard, Identity, Lanes, Live, Operations, Rates, Turns,
    fingerprint::FingerprintKey, singleflight::Flights, waits::Waits,
};
use sqlx::PgPool;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

#[derive(Debug, Clone)]
pub struct Limits {
    /// The time that a request waits for its mutation before it answers with the operation, still RUNNING.
    pub answer: Duration,
    /// The time after which a waiting request runs the claim-first body itself.
    pub rescue: Duration,
    /// The time for which one run tries again after transient failures before it puts the operation off.
    pub execution: Duration,
    /// The longest age of a decision; an older one is made again.
    pub decision: Duration,
    /// The time for which a cursor stays usable.
    pub window: Duration,
    /// The most rows that a document may touch.
    pub cost: u64,
    /// The most bytes of an answer, as it lies in memory.
    pub size: u32,
    /// The time after which a read ends.
    pub time: Duration,
    /// The most live connections of one person.
    pub connections: usize,
    /// Whether answers whose rows are loaded are made in one pass. Otherwise they are made field by field, with the same result.
    pub one_pass: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            answer: Duration::from_secs(8),
            rescue: Duration::from_millis(250),
            execution: Duration::from_secs(5),
            decision: Duration::from_secs(60),
            window: Duration::from_secs(30 * 24 * 3600),
            cost: 20_000,
            size: 8 << 20,
            time: Duration::from_secs(10),
            connections: 100,
            one_pass: true,
        }
    }
}

pub struct Gateway {
    pub pool: PgPool,
    /// The connections for transactions, and for single statements that are frequent.
    pub lanes: Lanes,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Chance>,
    pub identity: Arc<dyn Identity>,
    pub decide: Arc<dyn Decide>,
    pub guard: Arc<dyn Guard>,
    pub operations: Arc<dyn Operations>,
    pub engine: Arc<dyn Engine>,
    pub live: Arc<dyn Live>,
    pub faults: Arc<dyn Faults>,
    pub fingerprint: FingerprintKey,
    pub limits: Limits,
    pub drift: Arc<Drift>,
    pub denied: Arc<Denied>,
    pub rates: Rates,
    pub things: crate::quota::Things,
    /// The reads that are made at a time.
    pub turns: Turns,
    /// The operations that are carried out at a time.
    pub changes: Turns,
    /// The room for answers that their clients have not taken yet, in kibibytes.
    pub answers: Turns,
    pub table: Table,
    pub flights: Arc<Flights>,
    pub waits: Waits,
    pub tasks: Tasks,
}

/// The procedures by name, and the mutations by their GraphQL field too.
pub struct Table {
    entries: &'static [Entry],
    by_name: HashMap<&'static str, &'static Entry>,
    codes: Vec<Code>,
    by_field: HashMap<String, &'static Entry>,
}

impl Table {
    pub fn new(entries: &'static [Entry]) -> Self {
        let by_name: HashMap<_, _> = entries.iter().map(|entry| (entry.name(), entry)).collect();
        assert_eq!(by_name.len(), entries.len(), "two procedures have one name");
        let mut codes = Code::GENERAL.to_vec();
        for code in entries.iter().flat_map(Entry::errors) {
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
        let mutations = || entries.iter().filter(|entry| entry.is_mutation());
        let by_field: HashMap<_, _> = mutations().map(|entry| (entry.parts().field(), entry)).collect();
        assert_eq!(by_field.len(), mutations().count(), "two mutations have one field");
        Table { entries, by_name, by_field, codes }
    }

    pub fn get(&self, name: &str) -> Option<&'static Entry> {
        self.by_name.get(name).copied()
    }

    /// Every code that can be answered: the general ones, then those of the procedures, each where it is first declared.
    pub fn codes(&self) -> &[Code] {
        &self.codes
    }

    /// The code of this name.
    pub fn code(&self, name: &str) -> Option<Code> {
        self.codes.iter().copied().find(|code| code.as_str() == name)
    }

    /// The mutation behind a GraphQL field.
    pub fn mutation(&self, field: &str) -> Option<&'static Entry> {
        self.by_field.get(field).copied()
    }

    pub fn entries(&self) -> &'static [Entry] {
        self.entries
    }
}

/// Work that outlives its request. Shutdown waits for it.
#[derive(Default)]
pub struct Tasks {
    closing: AtomicBool,
    running: Arc<()>,
}

impl Tasks {
    pub fn closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    pub fn running(&self) -> usize {
        Arc::strong_count(&self.running) - 1
    }

    pub fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
        let token = Arc::clone(&self.running);
        tokio::spawn(async move {
            let done = work.await;
            drop(token);
            done
        })
    }
}
