//! Permits that are shared fairly. Each belongs to a tenant; those who wait for one are served in turns: tenant by tenant, and within
//! a tenant person by person. So a flood waits behind itself. The last permits are kept for tenants that hold few.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;
use uuid::Uuid;

/// Whose turn it is: a tenant, and one of its people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Whose {
    pub tenant: Uuid,
    pub person: Uuid,
}

/// The wait is refused: as many of the tenant wait as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowded;

/// A waiter whose turn was given to lighter ones so often is passed over no more.
const PATIENT: u32 = 100;

#[derive(Clone)]
pub struct Turns(Arc<Inner>);

struct Inner {
    all: u32,
    /// The permits that are kept for tenants that hold few.
    kept: u32,
    /// The most of one tenant that wait at a time.
    most_waiting: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    taken: u32,
    tenants: HashMap<Uuid, Tenant>,
    /// The tenants of whom somebody waits, the next one first.
    next: VecDeque<Uuid>,
    /// Whether free permits gather for the next one.
    gathers: bool,
}

#[derive(Default)]
struct Tenant {
    taken: u32,
    waiting: usize,
    /// The people who wait, the next one first.
    people: VecDeque<(Uuid, VecDeque<Waiter>)>,
}

struct Waiter {
    weight: u32,
    passed: u32,
    told: oneshot::Sender<Turn>,
}

/// A permit to work, given back when it is dropped.
pub struct Turn {
    turns: Turns,
    tenant: Uuid,
    weight: u32,
}

impl Turns {
    pub fn new(all: usize, most_waiting: usize) -> Turns {
        let all = u32::try_from(all.max(1)).unwrap_or(u32::MAX);
        // Of very few permits none is kept: nobody could take the others.
        let kept = if all < 3 { 0 } else { (all / 4).max(1) };
        Turns(Arc::new(Inner { all, kept, most_waiting, state: Mutex::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a permit. A heavy one counts as several.
    pub async fn take(&self, whose: Whose, weight: u32) -> Result<Turn, Crowded> {
        let Whose { tenant, person } = whose;
        // Every weight fits once nothing else runs.
        let weight = weight.clamp(1, (self.0.all - self.0.kept).max(1));
        let waits = {
            let mut state = self.lock();
            let (nobody, gathers) = (state.next.is_empty(), state.gathers);
            let mine = state.tenants.entry(tenant).or_default();
            if mine.waiting == 0 && (nobody || mine.taken == 0 && !gathers) && self.fits(&state, tenant, weight) {
                state.take(tenant, weight);
                return Ok(self.turn(tenant, weight));
            }
            let mine = state.tenants.entry(tenant).or_default();
            if mine.waiting >= self.0.most_waiting {
                return Err(Crowded);
            }
            let (told, waits) = oneshot::channel();
            let first = mine.waiting == 0;
            mine.waiting += 1;
            let waiter = Waiter { weight, passed: 0, told };
            match mine.people.iter_mut().find(|(one, _)| *one == person) {
                Some((_, waiters)) => waiters.push_back(waiter),
                None => mine.people.push_back((person, [waiter].into())),
            }
            if first {
                state.next.push_back(tenant);
            }
            waits
        };
        // It may fit already: those who hold it up may wait themselves.
        self.serve();
        match waits.await {
            Ok(turn) => Ok(turn),
            Err(_) => unreachable!("a waiter is told, or waits on"),
        }
    }

    fn turn(&self, tenant: Uuid, weight: u32) -> Turn {
        Turn { turns: self.clone(), tenant, weight }
    }

    /// Whether a tenant may take so many now: from the last ones only as long as it holds few.
    fn fits(&self, state: &State, tenant: Uuid, weight: u32) -> bool {
        let free = self.0.all - state.taken;
        let own = state.tenants.get(&tenant).map_or(0, |tenant| tenant.taken);
        let few = (self.0.kept / 2).max(1);
        weight <= free && (weight + self.0.kept <= free || own + weight <= few || (self.0.kept == 0))
    }

    /// Gives what is free to those who wait, in turns.
    fn serve(&self) {
        let mut gone = Vec::new();
        let mut state = self.lock();
        let mut passed = 0;
        while passed < state.next.len() {
            let Some(tenant) = state.next.pop_front() else { break };
            let weight = state.tenants.get(&tenant).and_then(|tenant| tenant.people.front()?.1.front().map(|first| first.weight));
            let Some(weight) = weight else { continue };
            if !self.fits(&state, tenant, weight) {
                let first = state.tenants.get_mut(&tenant).and_then(|tenant| tenant.people.front_mut()?.1.front_mut());
                let tired = first.is_some_and(|first| {
                    first.passed += 1;
                    first.passed > PATIENT
                });
                state.next.push_back(tenant);
                if tired && weight > 1 {
                    // It stays the first.
                    state.next.rotate_right(1);
                    state.gathers = true;
                    break;
                }
                passed += 1;
                continue;
            }
            passed = 0;
            let Some(waiter) = state.next_of(tenant) else { continue };
            state.take(tenant, waiter.weight);
            state.gathers = false;
            // Whoever does not wait any more gives it back.
            gone.extend(waiter.told.send(self.turn(tenant, waiter.weight)).err());
        }
        drop(state);
        drop(gone);
    }
}

impl State {
    fn take(&mut self, tenant: Uuid, weight: u32) {
        self.taken += weight;
        self.tenants.entry(tenant).or_default().taken += weight;
    }

    /// The next waiter of a tenant, whose people take turns.
    fn next_of(&mut self, tenant: Uuid) -> Option<Waiter> {
        let mine = self.tenants.get_mut(&tenant)?;
        let (person, mut waiters) = mine.people.pop_front()?;
        let waiter = waiters.pop_front();
        if !waiters.is_empty() {
            mine.people.push_back((person, waiters));
        }
        mine.waiting = mine.waiting.saturating_sub(1);
        if mine.waiting > 0 {
            self.next.push_back(tenant);
        }
        waiter
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        {
            let mut state = self.turns.lock();
            state.taken -= self.weight;
            if let Some(tenant) = state.tenants.get_mut(&self.tenant) {
                tenant.taken -= self.weight;
                if tenant.taken == 0 && tenant.waiting == 0 {
                    state.tenants.remove(&self.tenant);
                }
            }
            if state.next.is_empty() {
                return;
            }
        }
        self.turns.serve();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::pin::Pin;

    type Waits = Pin<Box<dyn Future<Output = Result<Turn, Crowded>>>>;

    fn whose(tenant: u128, person: u128) -> Whose {
        Whose { tenant: Uuid::from_u128(tenant), person: Uuid::from_u128(person) }
    }

    fn waits(turns: &Turns, whose: Whose, weight: u32) -> Waits {
        let turns = turns.clone();
        let mut waits: Waits = Box::pin(async move { turns.take(whose, weight).await });
        assert!((&mut waits).now_or_never().is_none(), "it waits");
        waits
    }

    fn taken(turns: &Turns, whose: Whose, weight: u32) -> Option<Turn> {
        turns.take(whose, weight).now_or_never().map(|taken| taken.expect("room to wait"))
    }

    #[test]
    fn the_last_permits_are_for_those_who_hold_few() {
        let turns = Turns::new(12, 100);
        let flood: Vec<_> = std::iter::from_fn(|| taken(&turns, whose(1, 1), 1)).collect();
        assert_eq!(flood.len(), 9);
        let second: Vec<_> = std::iter::from_fn(|| taken(&turns, whose(2, 1), 1)).collect();
        assert_eq!(second.len(), 1);
        assert!(taken(&turns, whose(3, 1), 1).is_some());
    }

    #[test]
    fn tenants_take_turns_and_their_people() {
        let turns = Turns::new(1, 100);
        let held = taken(&turns, whose(1, 1), 1).expect("the only one");
        let mut asked = vec![
            ("1.1", waits(&turns, whose(1, 1), 1)),
            ("1.1", waits(&turns, whose(1, 1), 1)),
            ("1.1", waits(&turns, whose(1, 1), 1)),
            ("1.2", waits(&turns, whose(1, 2), 1)),
            ("2.1", waits(&turns, whose(2, 1), 1)),
        ];
        let mut order = Vec::new();
        let mut held = Some(held);
        while !asked.is_empty() {
            held.take();
            let at = asked.iter_mut().position(|(_, waits)| match waits.now_or_never() {
                Some(turn) => {
                    held = turn.ok();
                    true
                }
                None => false,
            });
            order.push(asked.remove(at.expect("somebody's turn")).0);
        }
        assert_eq!(order, ["1.1", "2.1", "1.2", "1.1", "1.1"]);
    }

    #[test]
    fn whoever_leaves_the_queue_holds_nobody_up() {
        let turns = Turns::new(1, 100);
        let held = taken(&turns, whose(1, 1), 1);
        let left = waits(&turns, whose(1, 1), 1);
        let mut stays = waits(&turns, whose(2, 1), 1);
        drop(left);
        drop(held);
        assert!((&mut stays).now_or_never().is_some());
        drop(stays);
        assert!(taken(&turns, whose(3, 1), 1).is_some());
        assert!(turns.lock().tenants.is_empty(), "nobody is remembered");
    }

    #[test]
    fn a_queue_has_an_end() {
        let turns = Turns::new(1, 2);
        let _held = taken(&turns, whose(1, 1), 1);
        let _waiting = [waits(&turns, whose(1, 1), 1), waits(&turns, whose(1, 1), 1)];
        assert!(matches!(turns.take(whose(1, 1), 1).now_or_never(), Some(Err(Crowded))));
        drop(waits(&turns, whose(2, 1), 1));
    }

    #[test]
    fn what_is_heavy_has_its_turn() {
        let turns = Turns::new(8, 10_000);
        let mut light: VecDeque<_> = (0..6).map(|n| taken(&turns, whose(n, 1), 1)).collect();
        let mut heavy = waits(&turns, whose(9, 1), 6);
        for n in 0..1_000 {
            light.pop_front();
            match turns.take(whose(n, 1), 1).now_or_never() {
                Some(turn) => light.push_back(turn.ok()),
                None => light.push_back(None),
            }
            if let Some(turn) = (&mut heavy).now_or_never() {
                assert!(turn.is_ok());
                return;
            }
        }
        panic!("it never had its turn");
    }
}
