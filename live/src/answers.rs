//! What was made of places of logs, kept for a little while: whoever asks for the same gets what was made once.

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

/// What a key stands for is made once, however many ask for it.
pub type Key = [u8; 32];
/// Nothing, where a place is nothing to who asks.
pub type Answer = Option<Bytes>;

/// As much text is kept, and so many answers.
const BYTES: usize = 16 << 20;
const COUNT: usize = 16_384;
const LIFE: Duration = Duration::from_secs(10);
/// Whether a grant still counts is decided where an answer is made: of another organization none is used for longer.
const FOREIGN: Duration = Duration::from_secs(1);

type At = (LogId, i64, Key);

struct Cell {
    made: OnceCell<Answer>,
    since: Instant,
    source: OrganizationId,
    bytes: AtomicUsize,
}

#[derive(Default)]
pub struct Answers(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    cells: HashMap<At, Arc<Cell>>,
    /// In the order in which they were asked for.
    order: VecDeque<(At, Arc<Cell>)>,
    bytes: usize,
}

impl Kept {
    fn drop(&mut self, at: &At, cell: &Arc<Cell>) {
        if self.cells.get(at).is_some_and(|kept| Arc::ptr_eq(kept, cell)) {
            self.cells.remove(at);
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

impl Answers {
    fn with<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn cell(&self, at: At, source: OrganizationId) -> Arc<Cell> {
        let foreign = matches!(at.0, LogId::Feed(_)) && source != at.0.organization();
        let life = if foreign { FOREIGN } else { LIFE };
        self.with(|kept| {
            if let Some(known) = kept.cells.get(&at).filter(|cell| cell.since.elapsed() <= life) {
                return Arc::clone(known);
            }
            if let Some(old) = kept.cells.get(&at).cloned() {
                kept.drop(&at, &old);
            }
            let cell = Arc::new(Cell { made: OnceCell::new(), since: Instant::now(), source, bytes: AtomicUsize::new(0) });
            kept.cells.insert(at, Arc::clone(&cell));
            kept.order.push_back((at, Arc::clone(&cell)));
            kept.sweep();
            cell
        })
    }

    fn weigh(&self, at: &At, cell: &Arc<Cell>, answer: &Answer) {
        let bytes = answer.as_ref().map_or(0, Bytes::len) + size_of::<(At, Cell)>();
        self.with(|kept| {
            // Whoever comes first; and not what was dropped meanwhile.
            let kept_still = kept.cells.get(at).is_some_and(|known| Arc::ptr_eq(known, cell));
            if kept_still && cell.bytes.swap(bytes, Ordering::Relaxed) == 0 {
                kept.bytes += bytes;
                kept.sweep();
            }
        });
    }

    pub(crate) fn sweep(&self) {
        self.with(Kept::sweep);
    }

    /// A reader lost sight of an organization: what was made of its places is nobody's any more.
    pub(crate) fn forget(&self, log: LogId, source: OrganizationId) {
        self.with(|kept| {
            let gone: Vec<_> = kept.cells.iter().filter(|((of, ..), cell)| *of == log && cell.source == source).collect();
            let gone: Vec<_> = gone.into_iter().map(|(at, cell)| (*at, Arc::clone(cell))).collect();
            for (at, cell) in gone {
                kept.drop(&at, &cell);
            }
        });
    }
}

impl Hub {
    /// Made by the first who asks. A failure is not kept. In a task of its own: whoever stops to look, in the midst of it,
    /// keeps nobody else waiting.
    pub async fn made(
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

    fn kept(answers: &Answers) -> (usize, usize, usize) {
        answers.with(|kept| (kept.cells.len(), kept.order.len(), kept.bytes))
    }

    #[test]
    fn as_much_is_kept_as_there_is_room_for() {
        let answers = Answers::default();
        let home = OrganizationId(Uuid::from_u128(1));
        let long: Answer = Some(Bytes::from(vec![b'x'; 1 << 20]));
        for position in 0..100 {
            let at = (LogId::Own(home), position, [0; 32]);
            let cell = answers.cell(at, home);
            let again = answers.cell(at, home);
            assert!(Arc::ptr_eq(&cell, &again));
            answers.weigh(&at, &cell, &long);
            answers.weigh(&at, &again, &long);
            let (cells, order, bytes) = kept(&answers);
            assert!(cells == order && bytes <= BYTES, "{cells} {order} {bytes}");
        }
        assert_eq!(kept(&answers).0, 15);
        let other = OrganizationId(Uuid::from_u128(2));
        let at = (LogId::Feed(home), 1, [0; 32]);
        let cell = answers.cell(at, other);
        answers.weigh(&at, &cell, &long);
        answers.forget(LogId::Feed(home), other);
        assert!(!Arc::ptr_eq(&cell, &answers.cell(at, other)));
        answers.weigh(&at, &cell, &long);
        assert_eq!(kept(&answers).0, 15);
    }
}
