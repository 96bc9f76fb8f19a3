//! Plans that are kept. A plan is a pure function of the policies and of what the PDP is told of the principal, unless the
//! policies use the clock. So it is kept until the sentinel names other policies, not at all if these use the clock, and
//! not used while the sentinel is silent. Where the sentinel says that people are told apart by equality alone, one plan
//! serves all of a kind, and what is each one's own is their rule.

use crate::{bundle::Bundle, client::Settings, pdp::Principal};
use queryplan::{Plan, Rule};
use schema::{Error, OrganizationId, PrincipalId, Result};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::OnceCell;

/// Plans, and rules of all of them. To make a rule again takes microseconds.
const KEPT: usize = 10_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlanKey {
    pub action: &'static str,
    pub kind: &'static str,
    /// All that the PDP is told of the principal that it is asked about.
    pub told: String,
}

/// Who wants a rule.
pub struct Me {
    pub principal: PrincipalId,
    pub organization: OrganizationId,
    pub told: Principal,
}

/// What is known already: their rule, or the plan to make it from.
pub struct Known {
    pub rule: Result<Arc<Rule>, Arc<Plan>>,
    /// It is time to ask again.
    pub old: bool,
}

#[derive(Default)]
pub struct Plans(Mutex<Kept>);

impl Plans {
    pub fn with<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What came of it, a failure too: those who waited for it do not each wait for another.
type Asking = OnceCell<Result<Option<Arc<Plan>>, Arc<Error>>>;

#[derive(Default)]
pub struct Kept {
    heard: Option<Heard>,
    plans: HashMap<PlanKey, KeptPlan>,
    /// How many rules were put beside plans, at most so many are there.
    rules: usize,
    /// What is being asked just now: many who want the same ask once.
    asking: HashMap<PlanKey, Arc<Asking>>,
}

struct KeptPlan {
    plan: Arc<Plan>,
    /// From when on it is asked for again, and until when it is used.
    renew: Instant,
    until: Instant,
    rules: HashMap<(PrincipalId, OrganizationId), Arc<Rule>>,
}

/// What the sentinel says, since when and when last.
#[derive(Clone)]
pub struct Heard {
    pub bundle: Bundle,
    since: Instant,
    last: Instant,
}

impl Kept {
    pub fn hear(&mut self, bundle: Bundle) {
        let now = Instant::now();
        match &mut self.heard {
            Some(heard) if heard.bundle == bundle => heard.last = now,
            _ => *self = Kept { heard: Some(Heard { bundle, since: now, last: now }), ..Kept::default() },
        }
    }

    pub fn heard(&self) -> Option<Heard> {
        self.heard.clone()
    }

    /// What is in force, if the sentinel said so within that time.
    pub fn fresh(&self, within: Duration) -> Option<&Bundle> {
        self.heard.as_ref().filter(|heard| heard.last.elapsed() < within).map(|heard| &heard.bundle)
    }

    /// Whether one plan can serve many, and will be kept for them.
    pub fn shares(&self, within: Duration) -> bool {
        self.fresh(within).is_some_and(Bundle::serves_many)
    }

    pub fn known(&self, key: &PlanKey, me: &Me, within: Duration) -> Option<Known> {
        self.fresh(within)?;
        let now = Instant::now();
        let known = self.plans.get(key).filter(|known| now < known.until)?;
        let rule = known.rules.get(&(me.principal, me.organization)).map(Arc::clone);
        let old = known.renew <= now && !self.asking.contains_key(key);
        Some(Known { rule: rule.ok_or_else(|| Arc::clone(&known.plan)), old })
    }

    pub fn asking(&mut self, key: &PlanKey) -> Arc<Asking> {
        if self.asking.len() >= KEPT {
            // Those whose askers all went away.
            self.asking.retain(|_, asking| Arc::strong_count(asking) > 1);
        }
        Arc::clone(self.asking.entry(key.clone()).or_default())
    }

    pub fn asked(&mut self, key: &PlanKey, asking: &Arc<Asking>) {
        if self.asking.get(key).is_some_and(|known| Arc::ptr_eq(known, asking)) {
            self.asking.remove(key);
        }
    }

    /// Only if the policies are still those that it was asked under.
    pub fn keep_plan(&mut self, key: &PlanKey, plan: &Arc<Plan>, before: Option<Heard>, asked: Instant, settings: &Settings) {
        let (Some(before), Some(heard)) = (before, &self.heard) else { return };
        // What was asked in a silence may be of policies that nobody named.
        if before.since != heard.since || heard.bundle.clock || heard.last.elapsed() >= settings.patience() {
            return;
        }
        let [soon, most] = settings.life;
        let until = asked + (asked.duration_since(heard.since) * 2).clamp(soon, most);
        let renew = asked + (until - asked) / 2;
        self.plans.retain(|_, kept| asked < kept.until);
        if self.plans.len() >= KEPT {
            self.plans.clear();
        }
        self.plans.insert(key.clone(), KeptPlan { plan: Arc::clone(plan), renew, until, rules: HashMap::new() });
    }

    /// Beside the plan that it was made from, if that is still kept.
    pub fn keep_rule(&mut self, key: &PlanKey, plan: &Arc<Plan>, me: &Me, rule: &Arc<Rule>) {
        if self.rules >= KEPT {
            for kept in self.plans.values_mut() {
                kept.rules.clear();
            }
            self.rules = 0;
        }
        let Some(kept) = self.plans.get_mut(key).filter(|kept| Arc::ptr_eq(&kept.plan, plan)) else { return };
        kept.rules.insert((me.principal, me.organization), Arc::clone(rule));
        self.rules += 1;
    }
}
