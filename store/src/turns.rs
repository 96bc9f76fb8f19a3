//! Permits that are shared fairly. Each belongs to a tenant; those who wait for one are served in turns: tenant by tenant, and within
//! a tenant person by person. So a flood waits behind itself. The last permits are kept for tenants that hold few; and of
//! shared ones, whoever is not alone holds no more than a share, so that a flood does not fill the machine behind the permits either.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
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

/// A tenant that took a permit within this time is there still.
const THERE: Duration = Duration::from_secs(1);

/// After so many were preferred to a heavy waiter, what becomes free gathers for it.
const PATIENT: u32 = 100;

/// The two tenants that asked for something last, and when. Permits of several kinds can have one.
#[derive(Clone, Default)]
pub struct Presence(Arc<Mutex<Last>>);

type Last = [Option<(Uuid, Instant)>; 2];

impl Presence {
    fn note(&self, tenant: Uuid) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Some((tenant, Instant::now()));
        *last = match *last {
            [Some((same, _)), before] if same == tenant => [now, before],
            [last, _] => [now, last],
        };
    }

    /// Whether another tenant than this one is there.
    fn others(&self, tenant: Uuid) -> bool {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().flatten().any(|(other, at)| *other != tenant && at.elapsed() < THERE)
    }
}

#[derive(Clone)]
pub struct Turns(Arc<Inner>);

struct Inner {
    all: u32,
    /// The permits that are kept for tenants that hold few.
    kept: u32,
    /// The most that a tenant holds while others are there.
    share: u32,
    presence: Presence,
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
    /// How many were preferred to somebody who waits, since a heavy one was served.
    preferred: u32,
    /// The permits that were given out while others gathered: never more than are kept.
    favoured: u32,
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
    told: oneshot::Sender<Turn>,
}

/// A permit to work, given back when it is dropped.
pub struct Turn {
    turns: Turns,
    tenant: Uuid,
    /// None are given back by a turn that nobody took.
    weight: u32,
    favoured: bool,
}

impl Turns {
    pub fn new(all: usize, most_waiting: usize) -> Turns {
        Turns::shared(all, all, most_waiting, Presence::default())
    }

    /// The same, of which a tenant holds no more than a share while others are there. To be used for permits whose work ends by
    /// itself: whoever holds one that waits for others would keep all of its tenant waiting.
    pub fn shared(all: usize, share: usize, most_waiting: usize, presence: Presence) -> Turns {
        let all = u32::try_from(all.max(1)).unwrap_or(u32::MAX);
        // Of very few permits none is kept: nobody could take the others.
        let kept = if all < 3 { 0 } else { (all / 4).max(1) };
        let share = u32::try_from(share.max(1)).unwrap_or(u32::MAX);
        Turns(Arc::new(Inner { all, kept, share, presence, most_waiting, state: Mutex::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a permit. A heavy one counts as several.
    pub async fn take(&self, whose: Whose, weight: u32) -> Result<Turn, Crowded> {
        let Whose { tenant, person } = whose;
        self.0.presence.note(tenant);
        // Every weight fits once nothing else runs.
        let weight = weight.clamp(1, (self.0.all - self.0.kept).max(1));
        let waits = {
            let mut state = self.lock();
            let (nobody, gathers) = (state.next.is_empty(), state.gathers());
            let favoured = state.favoured < self.0.kept;
            let mine = state.tenants.entry(tenant).or_default();
            // Whoever holds nothing need not wait for a flood, not even while permits gather.
            let comes = nobody || (mine.taken == 0 && (!gathers || (favoured && weight == 1)));
            if mine.waiting == 0 && comes && self.fits(&state, tenant, weight) {
                state.take(tenant, weight);
                state.preferred += u32::from(!nobody);
                state.favoured += u32::from(gathers);
                return Ok(Turn { turns: self.clone(), tenant, weight, favoured: gathers });
            }
            let mine = state.tenants.entry(tenant).or_default();
            let theirs = mine.people.iter().find(|(one, _)| *one == person).map_or(0, |(_, waiters)| waiters.len());
            // One of many people leaves room to the others.
            if mine.waiting >= self.0.most_waiting || (person != tenant && theirs > self.0.most_waiting / 4) {
                return Err(Crowded);
            }
            let (told, waits) = oneshot::channel();
            let first = mine.waiting == 0;
            mine.waiting += 1;
            let waiter = Waiter { weight, told };
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
        Turn { turns: self.clone(), tenant, weight, favoured: false }
    }

    /// Whether a tenant may take so many now: from the last ones only as long as it holds few.
    fn fits(&self, state: &State, tenant: Uuid, weight: u32) -> bool {
        let free = self.0.all - state.taken;
        let own = state.tenants.get(&tenant).map_or(0, |tenant| tenant.taken);
        let few = (self.0.kept / 2).max(1);
        weight <= free
            && self.fair(state, tenant, weight)
            && (weight + self.0.kept <= free || own + weight <= few || (self.0.kept == 0))
    }

    /// Whether a tenant keeps to its share, if others are there.
    fn fair(&self, state: &State, tenant: Uuid, weight: u32) -> bool {
        let own = state.tenants.get(&tenant).map_or(0, |tenant| tenant.taken);
        own == 0 || own + weight <= self.0.share || !self.0.presence.others(tenant)
    }

    /// Gives what is free to those who wait, in turns.
    fn serve(&self) {
        let mut state = self.lock();
        let (mut passed, mut served, mut skipped) = (0, 0, false);
        while passed < state.next.len() {
            let Some(tenant) = state.next.pop_front() else { break };
            let weight = state.tenants.get(&tenant).and_then(|tenant| tenant.people.front()?.1.front().map(|first| first.weight));
            let Some(weight) = weight else { continue };
            // Whoever is held up by its own share starves by nobody.
            let fair = self.fair(&state, tenant, weight);
            let tired = weight > 1 && fair && state.gathers();
            let free = self.0.all - state.taken;
            if !(self.fits(&state, tenant, weight) || (tired && weight <= free)) {
                if tired {
                    // It stays the first.
                    state.next.push_front(tenant);
                    break;
                }
                state.next.push_back(tenant);
                skipped |= weight > 1 && fair;
                passed += 1;
                continue;
            }
            passed = 0;
            let Some(waiter) = state.next_of(tenant) else { continue };
            // Whoever does not wait any more is passed over.
            if waiter.told.is_closed() {
                state.forget(tenant);
                continue;
            }
            state.take(tenant, weight);
            if let Err(mut left) = waiter.told.send(self.turn(tenant, weight)) {
                left.weight = 0;
                state.give(tenant, weight);
                continue;
            }
            served += 1;
            if weight > 1 {
                state.preferred = 0;
            }
        }
        if skipped {
            state.preferred += served;
        }
        if state.next.is_empty() {
            state.preferred = 0;
        }
    }
}

impl State {
    fn gathers(&self) -> bool {
        self.preferred > PATIENT
    }

    fn give(&mut self, tenant: Uuid, weight: u32) {
        self.taken -= weight;
        if let Some(mine) = self.tenants.get_mut(&tenant) {
            mine.taken -= weight;
        }
        self.forget(tenant);
    }

    /// Forgets a tenant that neither holds anything nor waits.
    fn forget(&mut self, tenant: Uuid) {
        if self.tenants.get(&tenant).is_some_and(|mine| mine.taken == 0 && mine.waiting == 0) {
            self.tenants.remove(&tenant);
        }
    }

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
        if self.weight == 0 {
            return;
        }
        let mut state = self.turns.lock();
        state.favoured -= u32::from(self.favoured);
        state.give(self.tenant, self.weight);
        let waits = !state.next.is_empty();
        drop(state);
        if waits {
            self.turns.serve();
        }
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
    fn a_flood_holds_no_more_than_its_share_while_others_are_there() {
        let turns = Turns::shared(12, 3, 100, Presence::default());
        drop(taken(&turns, whose(2, 1), 1));
        let mut flood: Vec<_> = (0..3).filter_map(|_| taken(&turns, whose(1, 1), 1)).collect();
        assert_eq!(flood.len(), 3);
        let mut more = waits(&turns, whose(1, 1), 1);
        // Many are free, and the flood goes on with its own.
        assert!(taken(&turns, whose(2, 1), 1).is_some());
        flood.pop();
        assert!((&mut more).now_or_never().is_some());
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
    fn a_crowd_that_left_is_passed_over_at_once() {
        let turns = Turns::new(1, 1_000_000);
        let held = taken(&turns, whose(1, 1), 1);
        let crowd: Vec<_> = (0..200_000u128).map(|n| waits(&turns, whose(n % 7, n % 11), 1)).collect();
        drop(crowd);
        drop(held);
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
    fn one_of_many_people_leaves_room_to_wait() {
        let turns = Turns::new(1, 8);
        let _held = taken(&turns, whose(1, 1), 1);
        let _waiting: Vec<_> = (0..3).map(|_| waits(&turns, whose(1, 2), 1)).collect();
        assert!(matches!(turns.take(whose(1, 2), 1).now_or_never(), Some(Err(Crowded))));
        drop(waits(&turns, whose(1, 3), 1));
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
