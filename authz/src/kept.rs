//! The people who ask, with the plans that are kept for them. A plan is a pure function of the policies and of the facts that the
//! PDP is told of the principal, unless the policies use the clock. So a plan is kept until the sentinel names other policies or
//! its life ends. No plan is kept if the policies use the clock, and none is used while the sentinel is silent. Where the
//! sentinel says that people are told apart by equality alone, one plan serves all of a kind. Such a plan is asked for, and kept,
//! in the name of a stand-in.

use crate::{asker::Asker, bundle::Bundle, facts::Facts, plan::PdpPlan, ring::Ring, settings::Settings};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The most people who are kept, each with at most one plan and one rule for an action on a kind.
const PEOPLE: usize = 2_000;
/// The most stand-ins that are kept. They are kept apart, so that no crowd of people costs anyone the plans of all.
const STAND_INS: usize = 500;

pub struct SharedPlanCache(Mutex<PlanCache>);

pub struct PlanCache {
    heard: Option<Heard>,
    people: Ring<Facts, Arc<Asker>>,
    stand_ins: Ring<Facts, Arc<Asker>>,
}

/// The sentinel's statement, the time since which it is the same, and the time when it was last heard.
#[derive(Clone)]
pub struct Heard {
    pub bundle: Bundle,
    since: Instant,
    last: Instant,
}

/// The asker of an actor, and the one that is asked about in its place.
pub struct Askers {
    pub own: Arc<Asker>,
    pub asked: Arc<Asker>,
    /// Whether plans that are kept may be used: the sentinel is not silent.
    pub fresh: bool,
}

impl Default for SharedPlanCache {
    fn default() -> Self {
        SharedPlanCache(Mutex::new(PlanCache { heard: None, people: Ring::new(PEOPLE), stand_ins: Ring::new(STAND_INS) }))
    }
}

impl SharedPlanCache {
    pub fn with<T>(&self, work: impl FnOnce(&mut PlanCache) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl PlanCache {
    pub fn hear(&mut self, bundle: Bundle) {
        let now = Instant::now();
        match &mut self.heard {
            Some(heard) if heard.bundle == bundle => heard.last = now,
            _ => {
                self.heard = Some(Heard { bundle, since: now, last: now });
                self.people.clear();
                self.stand_ins.clear();
            }
        }
    }

    pub fn heard(&self) -> Option<Heard> {
        self.heard.clone()
    }

    /// The policies in force, if the sentinel named them within that time.
    pub fn fresh(&self, within: Duration) -> Option<&Bundle> {
        self.heard.as_ref().filter(|heard| heard.last.elapsed() < within).map(|heard| &heard.bundle)
    }

    pub fn askers(&mut self, facts: Facts, within: Duration) -> Askers {
        let fresh = self.fresh(within);
        let (fresh, shared) = (fresh.is_some(), fresh.is_some_and(Bundle::serves_many));
        let stand_in = shared.then(|| self.stand_ins.of(facts.stand_in(), Asker::new));
        let own = self.people.of(facts, Asker::new);
        Askers { asked: stand_in.unwrap_or_else(|| Arc::clone(&own)), own, fresh }
    }

    /// Keeps a plan only if the policies are still those that it was asked under.
    pub fn keep(&self, asker: &Asker, plan: &Arc<PdpPlan>, before: Option<Heard>, asked: Instant, settings: &Settings) {
        let (Some(before), Some(heard)) = (before, &self.heard) else { return };
        // A plan that was asked for in a silence may be of policies that the sentinel has not named.
        if before.since != heard.since || heard.bundle.clock || heard.last.elapsed() >= settings.patience() {
            return;
        }
        let [soon, most] = settings.life;
        let until = asked + (asked.duration_since(heard.since) * 2).clamp(soon, most);
        asker.keep(plan, asked + (until - asked) / 2, until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Access;
    use queryplan::{Filter, Plan};
    use schema::{Actor, PrincipalId, PrincipalKind};
    use std::sync::Weak;
    use uuid::Uuid;

    const READ: Access = Access { action: "read", kind: "property" };
    const WITHIN: Duration = Duration::from_secs(60);

    fn facts(who: u128) -> Facts {
        Facts::of(&Actor::own_scope(PrincipalId(Uuid::from_u128(who)), PrincipalKind::Human))
    }

    /// Keeps a plan for the asker that is asked about in the place of this person.
    fn planned(keeper: &SharedPlanCache, who: u128) -> Askers {
        let settings = Settings::new("");
        let plan = Arc::new(PdpPlan::new(READ, Plan { kind: Filter::AlwaysAllowed, condition: None }));
        keeper.with(|kept| {
            let askers = kept.askers(facts(who), WITHIN);
            kept.keep(&askers.asked, &plan, kept.heard(), Instant::now(), &settings);
            askers
        })
    }

    #[test]
    fn a_crowd_costs_nobody_who_comes_again_their_plans_and_no_more_memory() {
        for shared in [false, true] {
            let keeper = SharedPlanCache::default();
            keeper.with(|kept| kept.hear(Bundle { hash: "1".into(), clock: false, shared }));
            let regular = planned(&keeper, 1);
            let mut crowd: Vec<Weak<Asker>> = Vec::new();
            for stranger in 0..3 * PEOPLE as u128 {
                crowd.push(Arc::downgrade(&keeper.with(|kept| kept.askers(facts(1_000 + stranger), WITHIN)).own));
                if stranger % 1_000 == 0 {
                    let again = keeper.with(|kept| kept.askers(facts(1), WITHIN));
                    assert!(Arc::ptr_eq(&again.own, &regular.own) && again.asked.cached(READ).is_some());
                }
            }
            // One stranger goes for each that comes.
            let there: Vec<bool> = crowd.iter().map(|stranger| stranger.strong_count() > 0).collect();
            assert_eq!(there.iter().filter(|there| **there).count(), PEOPLE - 1);
            assert!(there[crowd.len() - PEOPLE / 2..].iter().all(|there| *there));
            // A newcomer finds a plan only where one serves all of the kind.
            assert_eq!(keeper.with(|kept| kept.askers(facts(2), WITHIN)).asked.cached(READ).is_some(), shared);
        }
    }

    #[test]
    fn other_policies_leave_nothing_of_before() {
        let keeper = SharedPlanCache::default();
        let bundle = Bundle { hash: "1".into(), clock: false, shared: true };
        keeper.with(|kept| kept.hear(bundle.clone()));
        assert!(planned(&keeper, 1).asked.cached(READ).is_some());
        keeper.with(|kept| kept.hear(Bundle { hash: "2".into(), ..bundle.clone() }));
        assert!(keeper.with(|kept| kept.askers(facts(1), WITHIN)).asked.cached(READ).is_none());
        // A plan that was asked for under the policies of before is not kept either.
        let before = keeper.with(|kept| kept.heard());
        keeper.with(|kept| kept.hear(bundle));
        let plan = Arc::new(PdpPlan::new(READ, Plan { kind: Filter::AlwaysAllowed, condition: None }));
        keeper.with(|kept| {
            let asked = kept.askers(facts(1), WITHIN).asked;
            kept.keep(&asked, &plan, before, Instant::now(), &Settings::new(""));
            assert!(asked.cached(READ).is_none());
        });
    }
}
