//! Somebody who is asked about, with the plans that were asked for, and the rules that these are to them alone.

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

/// A question that is being asked just now, and its answer. Everyone who waited gets it, a failure too.
type Asking = OnceCell<Result<Option<Arc<PdpPlan>>, Arc<Error>>>;

pub struct Asker {
    pub facts: Facts,
    /// The same for the PDP, written once.
    pub principal: Principal,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    plans: HashMap<Access, KeptPlan>,
    /// Rules, each with the plan that it was made from.
    rules: HashMap<Access, (Arc<PdpPlan>, Arc<Rule>)>,
    asking: HashMap<Access, Arc<Asking>>,
}

struct KeptPlan {
    plan: Arc<PdpPlan>,
    /// From when on it is asked for again, and until when it is used.
    renew: Instant,
    until: Instant,
}

/// A plan that is kept.
pub struct Known {
    pub plan: Arc<PdpPlan>,
    /// It is time to ask again, and nobody does yet.
    pub old: bool,
}

impl Asker {
    pub fn new(facts: &Facts) -> Arc<Asker> {
        Arc::new(Asker { facts: facts.clone(), principal: facts.principal(), kept: Mutex::default() })
    }

    pub fn is_stand_in(&self) -> bool {
        self.facts.principal == STAND_IN
    }

    fn with<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        work(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn known(&self, access: Access) -> Option<Known> {
        let now = Instant::now();
        self.with(|kept| {
            let known = kept.plans.get(&access).filter(|known| now < known.until)?;
            // An entry whose askers all went away is nobody's.
            let asked = kept.asking.get(&access).is_some_and(|asking| Arc::strong_count(asking) > 1);
            Some(Known { plan: Arc::clone(&known.plan), old: known.renew <= now && !asked })
        })
    }

    pub fn keep(&self, plan: &Arc<PdpPlan>, renew: Instant, until: Instant) {
        let kept = KeptPlan { plan: Arc::clone(plan), renew, until };
        self.with(|all| all.plans.insert(plan.access, kept));
    }

    /// The rule that a plan is to this person. To make one takes microseconds.
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

    /// Many who want the same ask once.
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
