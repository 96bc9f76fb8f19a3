//! The filter of a kind for one actor.

use crate::{asker::Asker, plan::PdpPlan};
use chrono::{DateTime, Utc};
use queryplan::Bindings;
use schema::{Error, Filter, Judge, Result, Sight};
use sea_orm::Condition;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;

pub struct ActorFilter {
    pub asker: Arc<Asker>,
    pub plan: Arc<PdpPlan>,
}

impl Judge for ActorFilter {
    fn identity(&self) -> [u8; 32] {
        Filter::identity(self)
    }

    fn allows(&self, resource: &Value, now: DateTime<Utc>) -> Result<bool> {
        Ok(self.asker.rule(&self.plan)?.allows(resource, now))
    }
}

impl Filter for ActorFilter {
    fn identity(&self) -> [u8; 32] {
        let facts = &self.asker.facts;
        let mut hash = Sha256::new_with_prefix(self.plan.identity(facts));
        // The hash covers all values that the condition is written with.
        hash.update(facts.organization.0);
        if self.asker.rule(&self.plan).map_or(true, |rule| rule.looks_by(kind::ASKING)) {
            hash.update(facts.principal.0);
        }
        hash.finalize().into()
    }

    fn condition(&self, sight: Sight) -> Result<Condition> {
        let kind = self.plan.access.kind;
        let rule = self.asker.rule(&self.plan)?;
        let resource = entities::kind(kind).ok_or_else(|| Error::internal(format!("no list of kind {kind}")))?.resource;
        let facts = &self.asker.facts;
        let values = [(kind::ACTING, facts.organization.0.into()), (kind::ASKING, facts.principal.0.into())];
        let mut bindings = Bindings { values: values.into(), ..Bindings::default() };
        if sight == Sight::Own {
            // The finder and row security limit the rows to the acting organization already. Once more in the filter would only
            // mislead PostgreSQL's planner.
            bindings.equal.insert(kind::ACTING, true);
        }
        let condition = rule.condition(resource.table, &bindings);
        Ok(Condition::all().add(condition.map_err(|refused| Error::internal(format!("read {kind}: {refused}")))?))
    }
}
