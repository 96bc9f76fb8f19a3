//! A principal as the PDP is asked about it, with the plans that are kept for it and the rules that they give to it alone.

use crate::{
    facts::{Facts, STAND_IN},
    pdp::Principal,
    plan::{Access, PdpPlan},
};
use queryplan::Rule;
use schema::{Error, Result};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use tokio::sync::OnceCell;

/// A question to the PDP that is under way, and its answer. Everyone who waits shares the answer, errors included.
type Asking = OnceCell<Result<Option<Arc<PdpPlan>>, Arc<Error>>>;

pub struct Asker {
    pub facts: Facts,
    /// The facts in the PDP's form, written once.
    pub principal: Principal,
    kept: Mutex<Plans>,
}

#[derive(Default)]
struct Plans {
    plans: HashMap<Access, CachedPlan>,
    /// Rules, each with the plan that it was made from.
    rules: HashMap<Access, (Arc<PdpPlan>, Arc<Rule>)>,
    asking: HashMap<Access, Arc<Asking>>,
}

struct CachedPlan {
    plan: Arc<PdpPlan>,
    /// The time from which the plan is asked for again, and the time until which it is used.
    renew: Instant,
    until: Instant,
}

/// A plan that is kept.
pub struct Cached {
    pub plan: Arc<PdpPlan>,
    /// Whether the plan is due to be asked for again, and nobody does yet.
    pub old: bool,
}

impl Asker {
    pub fn new(facts: &Facts) -> Arc<Asker> {
        Arc::new(Asker { facts: facts.clone(), principal: facts.principal(), kept: Mutex::default() })
    }

    pub fn is_stand_in(&self) -> bool {
        self.facts.principal == STAND_IN
    }

    fn with<T>(&self, work: impl FnOnce(&mut Plans) -> T) -> T {
        work(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn cached(&self, access: Access) -> Option<Cached> {
        let now = Instant::now();
        self.with(|kept| {
            let known = kept.plans.get(&access).filter(|known| now < known.until)?;
            // An entry counts only while somebody waits for it: its askers may all have gone away.
            let asked = kept.asking.get(&access).is_some_and(|asking| Arc::strong_count(asking) > 1);
            Some(Cached { plan: Arc::clone(&known.plan), old: known.renew <= now && !asked })
        })
    }

    /// All of these plans, if each is kept, and one of them that is due to be asked for again.
    pub fn all_cached(&self, all: &[Access]) -> Option<(Vec<Arc<PdpPlan>>, Option<Access>)> {
        let now = Instant::now();
        self.with(|kept| {
            let (mut plans, mut old) = (Vec::with_capacity(all.len()), None);
            for access in all {
                let known = kept.plans.get(access).filter(|known| now < known.until)?;
                let asked = kept.asking.get(access).is_some_and(|asking| Arc::strong_count(asking) > 1);
                if known.renew <= now && !asked {
                    old = Some(*access);
                }
                plans.push(Arc::clone(&known.plan));
            }
            Some((plans, old))
        })
    }

    pub fn keep(&self, plan: &Arc<PdpPlan>, renew: Instant, until: Instant) {
        let kept = CachedPlan { plan: Arc::clone(plan), renew, until };
        self.with(|all| all.plans.insert(plan.access, kept));
    }

    /// The rule that a plan gives to this person. Making one takes microseconds, so the lock is held meanwhile.
    pub fn rule(&self, plan: &Arc<PdpPlan>) -> Result<Arc<Rule>> {
        if plan.names_nobody() {
            return plan.common(&self.facts);
        }
        self.with(|kept| {
            if let Some((from, rule)) = kept.rules.get(&plan.access)
                && Arc::ptr_eq(from, plan)
            {
                return Ok(Arc::clone(rule));
            }
            let rule = plan.rule(&self.facts)?;
            kept.rules.insert(plan.access, (Arc::clone(plan), Arc::clone(&rule)));
            Ok(rule)
        })
    }

    /// Asks once for all who want the same plan at the same time.
    pub async fn once(
        &self,
        access: Access,
        ask: impl Future<Output = Result<Option<Arc<PdpPlan>>>>,
    ) -> Result<Option<Arc<PdpPlan>>> {
        let asking = self.with(|kept| Arc::clone(kept.asking.entry(access).or_default()));
        let found = asking.get_or_init(|| async { ask.await.map_err(Arc::new) }).await;
        self.with(|kept| {
            if kept.asking.get(&access).is_some_and(|known| Arc::ptr_eq(known, &asking)) {
                kept.asking.remove(&access);
            }
        });
        found.clone().map_err(|error| error.again())
    }
}
