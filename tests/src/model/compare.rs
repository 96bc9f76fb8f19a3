//! The comparison: everyone asks the gateway for everything, and the model says what must come.

use super::{Play, Right};
use crate::harness::Person;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

impl Play {
    /// Compares the gateway's answers with the model: about everything there is, to everyone there is.
    pub(super) async fn compare(&self) {
        let houses = 0..self.model.houses.len();
        for (who, person) in self.people.iter().enumerate() {
            for (owner, home) in self.owners.iter().enumerate() {
                let rights: Vec<Option<Right>> = houses.clone().map(|house| self.model.at_home(who, owner, house)).collect();
                self.agrees(who, person, *home, None, &rights).await;
            }
        }
        for (desk, organization) in self.desks.iter().enumerate() {
            let staff = &self.people[2 + desk];
            let mut across = BTreeSet::new();
            for grant in self.model.grants.iter().filter(|grant| grant.desk == desk) {
                let rights: Vec<Option<Right>> = houses
                    .clone()
                    .map(|house| {
                        let right = if grant.acts { Right::Update } else { Right::See };
                        let theirs = self.model.houses[house].owner == grant.owner;
                        self.model.counts(grant).then_some(if theirs { right } else { Right::None })
                    })
                    .collect();
                across.extend(houses.clone().filter(|house| matches!(rights[*house], Some(Right::See | Right::Update))));
                self.agrees(2 + desk, staff, *organization, Some(&grant.id), &rights).await;
            }
            let query = "{ engagedProperties(first: 100) { totalCount edges { node { id } } } }";
            let gql = self.world.gql(staff, Some(*organization), query, json!({})).await;
            let rpc = self.world.rpc(staff, Some(*organization), "property/v1/engaged", json!({ "first": 100 })).await;
            let expected = self.ids(&across);
            assert_eq!(ids(&gql.data()["engagedProperties"]), expected, "across, desk {desk}: {:#?}", self.done);
            assert_eq!(gql.data()["engagedProperties"]["totalCount"], json!(expected.len()), "{:#?}", self.done);
            assert_eq!(ids(rpc.ok()), expected, "across, desk {desk}: {:#?}", self.done);
        }
    }

    fn ids(&self, houses: &BTreeSet<usize>) -> BTreeSet<String> {
        houses.iter().map(|at| self.model.houses[*at].id.as_str().unwrap_or_default().to_owned()).collect()
    }

    async fn agrees(&self, who: usize, person: &Person, acting: Uuid, grant: Option<&Value>, rights: &[Option<Right>]) {
        let told = || format!("{who} for {acting} by {grant:?}: {:#?}", self.done);
        let call = async |procedure: &str, body: Value| match grant {
            Some(grant) => self.world.read_through(person, acting, grant, procedure, body).await,
            None => self.world.rpc(person, Some(acting), procedure, body).await,
        };
        let query = "{ properties(first: 100) { totalCount edges { node { id } } } }";
        let gql = match grant {
            Some(grant) => self.world.gql_through(person, acting, grant, query, json!({})).await,
            None => self.world.gql(person, Some(acting), query, json!({})).await,
        };
        let rpc = call("property/v1/list", json!({ "first": 100 })).await;
        if rights.iter().all(Option::is_none) {
            if !rights.is_empty() {
                let code = if grant.is_some() { "GRANT_NOT_FOUND" } else { "ORGANIZATION_NOT_FOUND" };
                assert_eq!((rpc.code(), gql.gql_code()), (code, code), "{}", told());
            }
            return;
        }
        let seen = (0..rights.len()).filter(|at| matches!(rights[*at], Some(Right::See | Right::Update))).collect();
        let expected = self.ids(&seen);
        assert_eq!(ids(rpc.ok()), expected, "{}", told());
        assert_eq!(ids(&gql.data()["properties"]), expected, "{}", told());
        assert_eq!(gql.data()["properties"]["totalCount"], json!(expected.len()), "{}", told());
        for (house, right) in self.model.houses.iter().zip(rights) {
            // A stale version changes nothing, and is told as a conflict only to those who may update.
            let body = json!({ "id": house.id, "version": 99, "idempotencyKey": self.world.key() });
            let expected = match right {
                Some(Right::Update) => "VERSION_CONFLICT",
                Some(Right::See) => "FORBIDDEN",
                Some(Right::None) | None => "NOT_FOUND",
            };
            assert_eq!(call("property/v1/update", body).await.code(), expected, "{} {}", house.id, told());
        }
    }
}

fn ids(connection: &Value) -> BTreeSet<String> {
    let edges = connection["edges"].as_array().cloned().unwrap_or_default();
    edges.iter().map(|edge| edge["node"]["id"].as_str().unwrap_or_default().to_owned()).collect()
}
