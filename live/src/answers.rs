//! A short-lived cache of answers for log entries. Subscribers with equal keys share one answer.

use crate::Hub;
use bytes::Bytes;
use entities::feed::Entry;
use schema::{Error, LogId, OrganizationId, Result};
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::OnceCell;
use tracing::Instrument;

/// Identifies an answer; equal keys share one.
pub type Key = [u8; 32];
/// The encoded response, or None where the entry does not concern the reader.
pub type Answer = Option<Bytes>;

/// The most bytes of answers, and the most answers, that are kept.
const BYTES: usize = 16 << 20;
const COUNT: usize = 16_384;
const LIFE: Duration = Duration::from_secs(10);
/// The life of an answer about another organization. A grant is checked only when the answer is made, so an answer outlives
/// its grant by this much at most.
const FOREIGN: Duration = Duration::from_secs(1);

type At = (LogId, i64, Key);

struct Cell {
    made: OnceCell<Answer>,
    since: Instant,
    source: OrganizationId,
    bytes: AtomicUsize,
}

#[derive(Default)]
pub struct AnswerCache(Mutex<Cells>);

#[derive(Default)]
struct Cells {
    by_key: HashMap<At, Arc<Cell>>,
    /// The cells in the order of their first request.
    order: VecDeque<(At, Arc<Cell>)>,
    bytes: usize,
}

impl Cells {
    fn drop(&mut self, at: &At, cell: &Arc<Cell>) {
        if self.by_key.get(at).is_some_and(|known| Arc::ptr_eq(known, cell)) {
            self.by_key.remove(at);
            self.bytes -= cell.bytes.load(Ordering::Relaxed);
        }
    }

    fn sweep(&mut self) {
        while let Some((at, cell)) = self.order.front() {
            if self.bytes <= BYTES && self.order.len() <= COUNT && cell.since.elapsed() <= LIFE {
                return;
            }
            let (at, cell) = (*at, Arc::clone(cell));
            self.order.pop_front();
            self.drop(&at, &cell);
        }
    }
}

impl AnswerCache {
    fn with<T>(&self, work: impl FnOnce(&mut Cells) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn cell(&self, at: At, source: OrganizationId) -> Arc<Cell> {
        let foreign = matches!(at.0, LogId::Feed(_)) && source != at.0.organization();
        let life = if foreign { FOREIGN } else { LIFE };
        self.with(|cells| {
            if let Some(known) = cells.by_key.get(&at).filter(|cell| cell.since.elapsed() <= life) {
                return Arc::clone(known);
            }
            if let Some(old) = cells.by_key.get(&at).cloned() {
                cells.drop(&at, &old);
            }
            let cell = Arc::new(Cell { made: OnceCell::new(), since: Instant::now(), source, bytes: AtomicUsize::new(0) });
            cells.by_key.insert(at, Arc::clone(&cell));
            cells.order.push_back((at, Arc::clone(&cell)));
            cells.sweep();
            cell
        })
    }

    fn weigh(&self, at: &At, cell: &Arc<Cell>, answer: &Answer) {
        let bytes = answer.as_ref().map_or(0, Bytes::len) + size_of::<(At, Cell)>();
        self.with(|cells| {
            // Callers share a cell: the first one counts its bytes, if the cell is still cached.
            let cached = cells.by_key.get(at).is_some_and(|known| Arc::ptr_eq(known, cell));
            if cached && cell.bytes.swap(bytes, Ordering::Relaxed) == 0 {
                cells.bytes += bytes;
                cells.sweep();
            }
        });
    }

    pub(crate) fn sweep(&self) {
        self.with(Cells::sweep);
    }

    /// Drops the answers about an organization that the log's reader lost sight of.
    pub(crate) fn forget(&self, log: LogId, source: OrganizationId) {
        self.with(|cells| {
            let gone: Vec<_> = cells.by_key.iter().filter(|((of, ..), cell)| *of == log && cell.source == source).collect();
            let gone: Vec<_> = gone.into_iter().map(|(at, cell)| (*at, Arc::clone(cell))).collect();
            for (at, cell) in gone {
                cells.drop(&at, &cell);
            }
        });
    }
}

impl Hub {
    /// The answer for an entry, made by the first caller with this key. Failures are not cached. The work runs in a task of its
    /// own, so that others get the answer even if that caller stops waiting.
    pub async fn answer(
        self: &Arc<Self>,
        log: LogId,
        entry: &Entry,
        key: Key,
        make: impl Future<Output = Result<Answer>> + Send + 'static,
    ) -> Result<Answer> {
        let at = (log, entry.position, key);
        let cell = self.answers.cell(at, entry.source);
        if let Some(made) = cell.made.get() {
            return Ok(made.clone());
        }
        let hub = Arc::clone(self);
        let task = async move {
            let made = cell.made.get_or_try_init(|| make).await?.clone();
            hub.answers.weigh(&at, &cell, &made);
            Ok(made)
        };
        tokio::spawn(task.in_current_span()).await.map_err(Error::internal)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn sizes(answers: &AnswerCache) -> (usize, usize, usize) {
        answers.with(|cells| (cells.by_key.len(), cells.order.len(), cells.bytes))
    }

    #[test]
    fn the_cache_stays_within_its_limits() {
        let answers = AnswerCache::default();
        let home = OrganizationId(Uuid::from_u128(1));
        let long: Answer = Some(Bytes::from(vec![b'x'; 1 << 20]));
        for position in 0..100 {
            let at = (LogId::Own(home), position, [0; 32]);
            let cell = answers.cell(at, home);
            let again = answers.cell(at, home);
            assert!(Arc::ptr_eq(&cell, &again));
            answers.weigh(&at, &cell, &long);
            answers.weigh(&at, &again, &long);
            let (cells, order, bytes) = sizes(&answers);
            assert!(cells == order && bytes <= BYTES, "{cells} {order} {bytes}");
        }
        assert_eq!(sizes(&answers).0, 15);
        let other = OrganizationId(Uuid::from_u128(2));
        let at = (LogId::Feed(home), 1, [0; 32]);
        let cell = answers.cell(at, other);
        answers.weigh(&at, &cell, &long);
        answers.forget(LogId::Feed(home), other);
        assert!(!Arc::ptr_eq(&cell, &answers.cell(at, other)));
        answers.weigh(&at, &cell, &long);
        assert_eq!(sizes(&answers).0, 15);
    }
}
