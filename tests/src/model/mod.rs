//! A model of rights, in plain words, against the gateway: over random organizations, members, delegations, grants, expiries and
//! revocations, on both surfaces.

mod compare;
mod steps;

use crate::{
    harness::{Person, World, person},
    plans::random::Dice,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// The truth about rights, without the way in which the gateway finds it.
#[derive(Default)]
struct Model {
    now: u64,
    /// The houses of owners 0 and 1, in their owner's portfolio or not.
    houses: Vec<House>,
    /// The people who stand for an owner besides the owner themselves.
    trustees: Vec<Trustee>,
    grants: Vec<Grant>,
    delegations: Vec<Delegation>,
}

struct House {
    id: Value,
    owner: usize,
    grouped: bool,
}

struct Trustee {
    who: usize,
    owner: usize,
    membership: Value,
    gone: bool,
}

struct Grant {
    id: Value,
    owner: usize,
    desk: usize,
    acts: bool,
    ends: Option<u64>,
    revoked: bool,
    version: i32,
}

struct Delegation {
    id: Value,
    owner: usize,
    holder: usize,
    /// The person who gave it at the root, or the delegation that it rests on.
    by: Result<usize, usize>,
    houses: BTreeSet<usize>,
    /// Houses that count as long as they are in the portfolio.
    while_grouped: BTreeSet<usize>,
    portfolio: bool,
    updates: bool,
    passes_on: bool,
    ends: Option<u64>,
    revoked: bool,
    version: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Right {
    None,
    See,
    Update,
}

/// People: 0 and 1 are the owners, 2 and 3 the staff of the desks, the rest are nobody by themselves.
const PEOPLE: usize = 7;

impl Model {
    fn stands_for_owner(&self, who: usize, owner: usize) -> bool {
        who == owner || self.trustees.iter().any(|t| t.who == who && t.owner == owner && !t.gone)
    }

    fn counts(&self, grant: &Grant) -> bool {
        !grant.revoked && grant.ends.is_none_or(|ends| ends > self.now)
    }

    /// Whether a delegation counts: it is not revoked, is in its term, and rests on a right that counts itself.
    fn holds(&self, delegation: &Delegation) -> bool {
        !delegation.revoked
            && delegation.ends.is_none_or(|ends| ends > self.now)
            && match delegation.by {
                Ok(root) => self.stands_for_owner(root, delegation.owner),
                Err(parent) => self.holds(&self.delegations[parent]) && self.delegations[parent].passes_on,
            }
    }

    /// The right that one delegation gives over a house: no more than the delegation that it rests on gives.
    fn gives(&self, delegation: &Delegation, house: usize) -> Right {
        let grouped = self.houses[house].grouped;
        let covers = self.houses[house].owner == delegation.owner
            && (delegation.houses.contains(&house)
                || (grouped && (delegation.portfolio || delegation.while_grouped.contains(&house))));
        if !covers || !self.holds(delegation) {
            return Right::None;
        }
        let most = delegation.by.map_or_else(|parent| self.gives(&self.delegations[parent], house), |_| Right::Update);
        match most {
            Right::None => Right::None,
            Right::Update if delegation.updates => Right::Update,
            _ => Right::See,
        }
    }

    /// The right over a house of one who acts for the owner's organization; None if they have no business there.
    fn at_home(&self, who: usize, owner: usize, house: usize) -> Option<Right> {
        if self.stands_for_owner(who, owner) {
            return Some(if self.houses[house].owner == owner { Right::Update } else { Right::None });
        }
        let mine: Vec<_> = self.delegations.iter().filter(|d| d.holder == who && d.owner == owner && self.holds(d)).collect();
        if mine.is_empty() {
            return None;
        }
        let rights: Vec<_> = mine.iter().map(|delegation| self.gives(delegation, house)).collect();
        let best = [Right::Update, Right::See].into_iter().find(|right| rights.contains(right));
        Some(best.unwrap_or(Right::None))
    }
}

struct Play {
    world: World,
    model: Model,
    random: Dice,
    people: Vec<Person>,
    principals: Vec<Value>,
    owners: [Uuid; 2],
    desks: [Uuid; 2],
    portfolios: [Value; 2],
    done: Vec<String>,
}

impl Play {
    async fn new(seed: u64) -> Play {
        let world = World::new().await;
        let people: Vec<Person> = (0..PEOPLE).map(|n| person(&format!("p{n}"))).collect();
        let mut principals = Vec::new();
        for who in &people {
            principals.push(world.principal(who).await);
        }
        let owners = [world.found(&people[0], "TRUST_OR_LLC").await, world.found(&people[1], "INDIVIDUAL_PROPERTY_OWNER").await];
        let boss = person("boss");
        let desks = [world.found(&boss, "CONCIERGE_OPERATOR").await, world.found(&boss, "CONCIERGE_OPERATOR").await];
        for (desk, staff) in desks.iter().zip(&people[2..4]) {
            world.join(&boss, *desk, staff, "CONCIERGE_STAFF").await;
        }
        let mut portfolios = Vec::new();
        for (who, home) in people.iter().zip(owners) {
            portfolios.push(world.call(who, home, "portfolio/v1/create", json!({ "name": "All" })).await.ok()["id"].clone());
        }
        let portfolios = [portfolios[0].clone(), portfolios[1].clone()];
        Play {
            world,
            model: Model::default(),
            random: Dice::new(seed),
            people,
            principals,
            owners,
            desks,
            portfolios,
            done: Vec::new(),
        }
    }
}

async fn plays(seed: u64) {
    let mut play = Play::new(seed).await;
    for step in 0..60 {
        // The first steps build houses to begin with.
        if step < 4 {
            play.build(step % 2).await
        } else {
            play.step().await
        }
        if step % 10 == 9 {
            play.compare().await;
        }
    }
    assert!(play.model.delegations.len() + play.model.grants.len() > 3, "seed {seed} has too little in it");
}

#[tokio::test]
async fn the_gateway_is_of_the_models_mind() {
    let seed: Option<u64> = std::env::var("MODEL_SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in seed.map_or(vec![1, 2], |seed| vec![seed]) {
        plays(seed).await;
    }
}
