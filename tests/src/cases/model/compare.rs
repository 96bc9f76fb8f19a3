//! The comparison: the cases as owners read them, the queues of the desks, and the times that the gateway keeps.

use super::{Case, PRIORITIES, open, play::Play, play::time};
use crate::harness::until_or;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const FIELDS: &str = "id state priority version deskId assigneeId leadId acknowledgedAt acknowledgeBy resolveBy waitingUntil escalatedAt closesAt closedAt reopenUntil reopenedCount";

impl Play {
    /// Waits until each case has the next time that the model says, and what came before was done once.
    pub(super) async fn timers(&self) {
        let mut missing = String::new();
        let expected: BTreeMap<String, (Option<i64>, [i64; 3])> =
            self.model.cases.iter().map(|case| (text(&case.id), (case.next(), case.fired))).collect();
        until_or("the timers of the model", &mut missing, async |missing| {
            let sql = "SELECT c.id::text, extract(epoch FROM d.at)::bigint,
                (SELECT count(*) FROM event e WHERE e.resource_id = c.id AND e.kind = 'case.reminded'),
                (SELECT count(*) FROM event e WHERE e.resource_id = c.id AND e.kind = 'case.escalated'),
                (SELECT count(*) FROM event e WHERE e.resource_id = c.id AND e.kind = 'case.closed' AND e.actor_kind = 'SYSTEM')
              FROM concierge_case c LEFT JOIN deadline d ON d.id = c.id AND d.procedure = 'case/v1/advance'";
            let rows: Vec<(String, Option<i64>, i64, i64, i64)> =
                sqlx::query_as(sql).fetch_all(&self.world.sql).await.expect("rows");
            let found: BTreeMap<_, _> = rows.into_iter().map(|(id, at, a, b, c)| (id, (at, [a, b, c]))).collect();
            let differ = expected.iter().filter(|(id, expected)| found.get(*id) != Some(expected));
            let differ: Vec<_> =
                differ.map(|(id, expected)| format!("{id}: {:?}, and not {expected:?}", found.get(id))).collect();
            *missing = format!("{differ:#?} {:#?}", self.done);
            differ.is_empty().then_some(())
        })
        .await;
    }

    pub(super) async fn compare(&self) {
        for owner in 0..2 {
            let (who, home) = (&self.owners[owner], Some(self.homes[owner]));
            let rpc = self.world.rpc_at(&self.url(), who, home, "case/v1/list", json!({ "first": 100 })).await;
            let query = format!("{{ cases(first: 100) {{ edges {{ node {{ {FIELDS} }} }} }} }}");
            let gql = self.world.gql_at(&self.url(), who, home, &query, json!({})).await;
            let query = "{ caseQuestions(first: 100) { nodes { id state remindedAt escalatedAt } } }";
            let questions =
                self.world.gql_at(&self.url(), who, home, query, json!({})).await.data()["caseQuestions"]["nodes"].clone();
            let theirs: Vec<&Case> = self.model.cases.iter().filter(|case| case.owner == owner).collect();
            for found in [rpc.ok(), &gql.data()["cases"]] {
                let found: BTreeMap<String, Value> =
                    nodes(found).into_iter().map(|node| (text(&node["id"]), of(&node))).collect();
                let expected: BTreeMap<String, Value> = theirs.iter().map(|case| (text(&case.id), self.shown(case))).collect();
                assert_eq!(found, expected, "{:#?}", self.done);
            }
            let found: BTreeSet<String> = questions
                .as_array()
                .expect("nodes")
                .iter()
                .map(|node| {
                    format!(
                        "{} {} {} {}",
                        text(&node["id"]),
                        text(&node["state"]),
                        node["remindedAt"].is_string(),
                        node["escalatedAt"].is_string()
                    )
                })
                .collect();
            let expected = theirs.iter().flat_map(|case| &case.questions);
            let expected =
                expected.map(|one| format!("{} {} {} {}", text(&one.id), one.state, one.reminded, one.escalated)).collect();
            assert_eq!(found, expected, "{:#?}", self.done);
        }
        for desk in 0..2 {
            let expected = self.queue(desk);
            let mut differs = String::new();
            // What another desk held until it was let in no more comes after a while.
            until_or("the queue of the model", &mut differs, async |differs| {
                let queues = self.queues(desk).await;
                *differs = format!("{desk} has {queues:#?}, and not {expected:#?}: {:#?}", self.done);
                let right = |(items, count): &(BTreeSet<String>, usize)| *items == expected && *count == expected.len();
                queues.iter().all(right).then_some(())
            })
            .await;
        }
    }

    /// A desk's queue on either surface, with the number of items that is told beside it.
    async fn queues(&self, desk: usize) -> [(BTreeSet<String>, usize); 2] {
        let (who, acting) = (&self.staff[desk], Some(self.desks[desk]));
        let rpc = self.world.rpc_at(&self.url(), who, acting, "workItem/v1/list", json!({ "first": 100 })).await;
        let counts = self.world.rpc_at(&self.url(), who, acting, "workItem/v1/counts", json!({ "by": ["KIND"] })).await;
        let query = "{ workItems(first: 100) { edges { node { kind state priority caseId intentId questionId assigneeId } } }
            workItemCounts(by: [STATE]) { counts { count } } }";
        let gql = self.world.gql_at(&self.url(), who, acting, query, json!({})).await;
        let data = gql.data();
        [(rpc.ok(), counts.ok()), (&data["workItems"], &data["workItemCounts"])].map(|(page, counts)| {
            let counts = counts["counts"].as_array().into_iter().flatten();
            let counted: u64 = counts.filter_map(|count| count["count"].as_u64()).sum();
            (nodes(page).iter().map(item).collect(), counted as usize)
        })
    }

    fn shown(&self, case: &Case) -> Value {
        let at = |second: Option<i64>| second.map(time);
        let person = |desk: Option<usize>| desk.map(|desk| self.principals[desk].clone());
        json!({ "state": case.state.as_str(), "priority": PRIORITIES[case.priority], "version": case.version,
            "deskId": case.desk.map(|desk| self.desks[desk]), "assigneeId": person(case.assignee), "leadId": person(case.lead),
            "acknowledgedAt": at(case.looked), "acknowledgeBy": at(case.look_by), "resolveBy": at(case.resolve_by),
            "waitingUntil": at(case.waits_until), "escalatedAt": at(case.late_at), "closesAt": at(case.closes), "closedAt": at(case.closed),
            "reopenUntil": at(case.reopens_until), "reopenedCount": case.reopened })
    }

    /// All that waits for a desk, of the owners who let it act: what it holds, and what no other desk holds that may act.
    fn queue(&self, desk: usize) -> BTreeSet<String> {
        let mut items = BTreeSet::new();
        let lets = |owner: usize, desk: usize| self.model.lets[owner][desk];
        let assigned = |case: &Case| {
            case.assignee.filter(|_| case.desk == Some(desk)).map_or(Value::Null, |desk| self.principals[desk].clone())
        };
        for case in self.model.cases.iter().filter(|case| open(case.state) && lets(case.owner, desk)) {
            if case.desk.is_some_and(|holder| holder != desk && lets(case.owner, holder)) {
                continue;
            }
            let state = case.state.as_str();
            items.insert(item(&json!({ "kind": "CASE", "state": state, "priority": PRIORITIES[case.priority], "caseId": case.id, "assigneeId": assigned(case) })));
            for one in case.questions.iter().filter(|question| question.state == "OPEN") {
                items.insert(item(
                    &json!({ "kind": "QUESTION", "state": "OPEN", "priority": PRIORITIES[case.priority], "caseId": case.id,
                    "questionId": one.id, "assigneeId": assigned(case) }),
                ));
            }
        }
        for intent in self
            .model
            .intents
            .iter()
            .filter(|intent| matches!(intent.state, "SUBMITTED" | "CLASSIFIED") && lets(intent.owner, desk))
        {
            items.insert(item(&json!({ "kind": "INTENT", "state": intent.state, "priority": PRIORITIES[intent.urgency], "intentId": intent.id })));
        }
        items
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn nodes(connection: &Value) -> Vec<Value> {
    connection["edges"].as_array().cloned().unwrap_or_default().iter().map(|edge| edge["node"].clone()).collect()
}

/// The fields that are compared, with whole seconds.
fn of(node: &Value) -> Value {
    let mut of = json!({});
    for field in FIELDS.split(' ').filter(|field| *field != "id") {
        of[field] = match node[field].as_str().and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok()) {
            Some(at) => json!(time(at.timestamp())),
            None => node[field].clone(),
        };
    }
    of
}

fn item(node: &Value) -> String {
    ["kind", "state", "priority", "caseId", "intentId", "questionId", "assigneeId"]
        .map(|field| node[field].as_str().unwrap_or("-").to_owned())
        .join(" ")
}
