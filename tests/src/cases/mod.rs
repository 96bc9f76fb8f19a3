//! Intents and cases, as owners, their delegates and desks use them.

mod boundary;
mod crowd;
mod intents;
mod lives;
mod model;
mod promises;
mod queue;
mod story;
mod verbs;

use crate::harness::{Answer, Person, World, person};
use serde_json::{Value, json};
use uuid::Uuid;

/// An owner with a house, and a desk that may act, with two of its staff.
pub struct Place {
    pub world: World,
    pub olga: Person,
    pub home: Uuid,
    pub house: Value,
    pub sam: Person,
    pub sue: Person,
    pub desk: Uuid,
    pub grant: Value,
}

impl Place {
    pub async fn new() -> Place {
        Place::on(World::new().await).await
    }

    pub async fn on(world: World) -> Place {
        let (olga, dana, sam, sue) = (person("olga"), person("dana"), person("sam"), person("sue"));
        let home = world.found(&olga, "TRUST_OR_LLC").await;
        let house = world.create_property(&olga, home, "1 Palo Verde").await["id"].clone();
        let (desk, grant) = let_in(&world, (&olga, home), &dana, &[&sam, &sue]).await;
        Place { world, olga, home, house, sam, sue, desk, grant }
    }

    /// The owner calls.
    pub async fn own(&self, procedure: &str, body: Value) -> Answer {
        self.world.call(&self.olga, self.home, procedure, body).await
    }

    /// The desk calls, through its grant.
    pub async fn desks(&self, procedure: &str, body: Value) -> Answer {
        self.world.call_through(&self.sam, self.desk, &self.grant, procedure, body).await
    }

    /// A new case about the house, by its owner.
    pub async fn case(&self) -> Value {
        let body = json!({ "title": "The gutter drips", "kind": "REPAIR", "propertyId": self.house });
        self.own("case/v1/create", body).await.ok().clone()
    }

    /// A case that the desk works on.
    pub async fn at_work(&self) -> Value {
        let case = self.case().await;
        let id = &case["id"];
        let triage = json!({ "id": id, "version": 1, "kind": "REPAIR", "priority": "NORMAL" });
        self.desks("case/v1/triage", triage).await.ok();
        self.desks("case/v1/updateStatus", json!({ "id": id, "version": 2, "state": "IN_PROGRESS" })).await.ok().clone()
    }

    /// The case as its owner sees it.
    pub async fn read(&self, id: &Value) -> Value {
        self.world.rpc(&self.olga, Some(self.home), "case/v1/get", json!({ "id": id })).await.ok().clone()
    }

    pub async fn query(&self, query: &str, variables: Value) -> Value {
        self.world.gql(&self.olga, Some(self.home), query, variables).await.data().clone()
    }
}

/// Founds a desk with staff, and lets it act for an owner.
pub async fn let_in(world: &World, (owner, home): (&Person, Uuid), founder: &Person, staff: &[&Person]) -> (Uuid, Value) {
    let desk = world.found(founder, "CONCIERGE_OPERATOR").await;
    for who in staff {
        world.join(founder, desk, who, "CONCIERGE_STAFF").await;
    }
    (desk, world.engage(owner, home, desk, "ACT").await["id"].clone())
}
