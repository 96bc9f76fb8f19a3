//! A plan as the PDP gave it, and the rules that it gives to different people.

use crate::facts::{Facts, STAND_IN, STAND_IN_FOR};
use queryplan::{Literal, Operand, Plan, Rule};
use schema::{Error, Result};
use sha2::{Digest, Sha256};
use std::sync::{Arc, OnceLock};

/// An action on a kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Access {
    pub action: &'static str,
    pub kind: &'static str,
}

pub struct PdpPlan {
    pub access: Access,
    plan: Plan,
    /// The hash of the access and the plan's text.
    digest: [u8; 32],
    names: Names,
    /// The rule of everyone, where the plan names nobody.
    common: OnceLock<Arc<Rule>>,
}

/// The facts of a person that a plan names, and that make it another rule for another person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Names {
    principal: bool,
    organization: bool,
    /// Whether the plan looks at the principal as a whole.
    whole: bool,
}

impl PdpPlan {
    pub fn new(access: Access, plan: Plan) -> PdpPlan {
        let written = format!("{} {} {plan:?}", access.action, access.kind);
        let says = |id: String| plan.renamed(&[(id.as_str(), "")]) != plan;
        let names = Names {
            principal: says(STAND_IN.to_string()),
            organization: says(STAND_IN_FOR.to_string()),
            whole: plan.condition.as_ref().is_some_and(looks_at_the_principal),
        };
        PdpPlan { access, plan, digest: Sha256::digest(written).into(), names, common: OnceLock::new() }
    }

    /// Whether the plan is the same rule for everyone that it was asked for.
    pub fn names_nobody(&self) -> bool {
        self.names == Names { principal: false, organization: false, whole: false }
    }

    /// The rule for everyone, where the plan names nobody.
    pub fn common(&self, facts: &Facts) -> Result<Arc<Rule>> {
        if let Some(rule) = self.common.get() {
            return Ok(Arc::clone(rule));
        }
        let rule = self.rule(facts)?;
        Ok(Arc::clone(self.common.get_or_init(|| rule)))
    }

    /// The rule that the plan gives to this person.
    pub fn rule(&self, facts: &Facts) -> Result<Arc<Rule>> {
        let Access { action, kind } = self.access;
        let resource = entities::kind(kind).ok_or_else(|| Error::internal(format!("no list of kind {kind}")))?.resource;
        let [stand_in, principal] = [STAND_IN, facts.principal].map(|id| id.to_string());
        let [stand_in_for, organization] = [STAND_IN_FOR, facts.organization].map(|id| id.to_string());
        let theirs =
            self.plan.renamed(&[(stand_in.as_str(), principal.as_str()), (stand_in_for.as_str(), organization.as_str())]);
        let literal = if self.names.whole { facts.principal().literal() } else { Literal::Null };
        let rule = Rule::new(&theirs, resource, &literal);
        Ok(Arc::new(rule.map_err(|refused| Error::internal(format!("{action} {kind}: {refused}")))?))
    }

    /// People with the same identity have the same rule by this plan, and by every plan with the same text.
    pub fn identity(&self, facts: &Facts) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(self.digest);
        // The plan, and so the digest, says which of these follow.
        if self.names.principal {
            hash.update(facts.principal.0);
        }
        if self.names.organization {
            hash.update(facts.organization.0);
        }
        if self.names.whole {
            hash.update(format!("{facts:?}"));
        }
        hash.finalize().into()
    }
}

/// Whether a plan looks at the principal: the planner leaves some of its variables in a plan, inside lambdas.
fn looks_at_the_principal(operand: &Operand) -> bool {
    match operand {
        Operand::Value(_) => false,
        Operand::Variable(name) => {
            let mut path = name.split('.');
            match path.next() {
                Some("P") => true,
                Some("request") => path.next() != Some("resource"),
                _ => false,
            }
        }
        Operand::Expression { operands, .. } => operands.iter().any(looks_at_the_principal),
    }
}
