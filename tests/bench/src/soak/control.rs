//! Beside what is asked, a thread that only sleeps and a bare commit ten times a second: what holds these up holds everybody up.

use crate::{ground::Ground, limit::Direct};
use server::Fault;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

const NAP: Duration = Duration::from_millis(2);
/// A nap that was longer by less is as usual on a machine that works.
const USUAL: Duration = Duration::from_millis(10);
const COMMITS: Duration = Duration::from_millis(100);

/// Something that took time.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    pub what: &'static str,
    pub from: Instant,
    pub time: Duration,
}

impl Took {
    pub fn until(&self) -> Instant {
        self.from + self.time
    }
}

/// What was gathered since it was last taken.
#[derive(Clone, Default)]
pub struct Gathered(Arc<Mutex<Vec<Took>>>);

impl Gathered {
    pub fn add(&self, what: &'static str, from: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Took { what, from, time: from.elapsed() });
    }

    pub fn take(&self) -> Vec<Took> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A thread of its own, so that it waits for nothing but the machine.
pub struct Sleeper {
    pub late: Gathered,
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sleeper {
    pub fn begin() -> Sleeper {
        let (late, done) = (Gathered::default(), Arc::new(AtomicBool::new(false)));
        let (told, ends) = (late.clone(), Arc::clone(&done));
        let thread = thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                let until = Instant::now() + NAP;
                thread::sleep(NAP);
                if until.elapsed() > USUAL {
                    told.add("sleep", until);
                }
            }
        });
        Sleeper { late, done, thread: Some(thread) }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub async fn commit(ground: &Ground, gathered: &Gathered, until: Instant) -> Result<(), Fault> {
    let direct = Direct::several(ground, 1).await?.pop().ok_or("no connection")?;
    let mut due = tokio::time::interval(COMMITS);
    while Instant::now() < until {
        // From when it was due, like those it stands beside.
        let began = due.tick().await.into_std();
        direct.write().await?;
        gathered.add("commit", began);
    }
    Ok(())
}

/// Of so many, the time that one of a hundred exceeds.
pub fn p99(of: &[Took]) -> Duration {
    let mut times: Vec<Duration> = of.iter().map(|took| took.time).collect();
    times.sort_unstable();
    times.get(times.len() * 99 / 100).copied().unwrap_or_default()
}

pub fn longest(of: &[Took]) -> Duration {
    of.iter().map(|took| took.time).max().unwrap_or_default()
}

/// Those that lie within some time.
pub fn within(of: &[Took], from: Instant, until: Instant) -> Vec<Took> {
    of.iter().filter(|took| took.from < until && took.until() > from).copied().collect()
}
