//! Each verb in each state, and two of the desk at one case.

use super::Place;
use crate::harness::{Answer, person};
use entities::case::CaseState;
use serde_json::{Value, json};

/// The verbs that move a case or need it in some state, each with an input.
fn verbs(case: &Value, question: &Value) -> Vec<(&'static str, Value)> {
    let (id, version) = (&case["id"], &case["version"]);
    let with = |more: Value| {
        let mut body = json!({ "id": id, "version": version });
        body.as_object_mut().expect("fields").extend(more.as_object().cloned().expect("fields"));
        body
    };
    vec![
        ("update", with(json!({ "title": "Another" }))),
        ("triage", with(json!({ "kind": "REPAIR", "priority": "HIGH" }))),
        ("updateStatus TRIAGED", with(json!({ "state": "TRIAGED" }))),
        ("updateStatus IN_PROGRESS", with(json!({ "state": "IN_PROGRESS" }))),
        ("updateStatus WAITING_OWNER", with(json!({ "state": "WAITING_OWNER" }))),
        ("updateStatus WAITING_EXTERNAL", with(json!({ "state": "WAITING_EXTERNAL", "waitingFor": "The HOA" }))),
        ("updateStatus RESOLVED", with(json!({ "state": "RESOLVED" }))),
        ("updateStatus CLOSED", with(json!({ "state": "CLOSED" }))),
        ("assign", with(json!({}))),
        ("unassign", with(json!({}))),
        ("changePriority", with(json!({ "priority": "URGENT" }))),
        ("addNote", json!({ "id": id, "text": "A note" })),
        ("addInternalNote", json!({ "id": id, "text": "For us" })),
        ("ask", with(json!({ "text": "Zinc?" }))),
        ("answer", json!({ "id": id, "questionId": question["id"], "answer": "Yes" })),
        ("resolve", with(json!({ "resolution": "DONE", "summary": "Done" }))),
        ("close", with(json!({}))),
        ("reopen", with(json!({ "reason": "Again" }))),
        ("cancel", with(json!({ "reason": "Never mind" }))),
    ]
}

/// The state that a verb leads to from another, by the table that the documents show. None: there is no such move.
fn leads(from: CaseState, verb: &str) -> Option<Option<CaseState>> {
    let (procedure, to) = verb.split_once(' ').map_or((verb, None), |(verb, to)| (verb, CaseState::parse(to)));
    let name = format!("case/v1/{procedure}");
    let moves: Vec<_> = CaseState::MACHINE.moves.iter().filter(|step| step.by.contains(&name.as_str())).collect();
    if moves.is_empty() || procedure == "answer" {
        return None;
    }
    let found = moves.iter().find(|step| step.from == Some(from.as_str()) && to.is_none_or(|to| to.as_str() == step.to));
    Some(found.and_then(|step| CaseState::parse(step.to)))
}

async fn brought_to(place: &Place, state: CaseState) -> (Value, Value) {
    let mut case = if state == CaseState::New { place.case().await } else { place.at_work().await };
    let id = case["id"].clone();
    let mut question = Value::Null;
    match state {
        CaseState::New | CaseState::InProgress => {}
        CaseState::Triaged => {
            case = place.case().await;
            let body = json!({ "id": case["id"], "version": 1, "kind": "REPAIR", "priority": "NORMAL" });
            case = place.desks("case/v1/triage", body).await.ok().clone();
        }
        CaseState::WaitingOwner => {
            question = place.desks("case/v1/ask", json!({ "id": id, "version": 3, "text": "Zinc?" })).await.ok().clone();
            case = place.read(&id).await;
        }
        CaseState::WaitingExternal => {
            let body = json!({ "id": id, "version": 3, "state": "WAITING_EXTERNAL", "waitingFor": "The HOA" });
            case = place.desks("case/v1/updateStatus", body).await.ok().clone();
        }
        CaseState::Cancelled => {
            case = place.own("case/v1/cancel", json!({ "id": id, "version": 3, "reason": "x" })).await.ok().clone();
        }
        CaseState::Resolved | CaseState::Closed => {
            let body = json!({ "id": id, "version": 3, "resolution": "DONE", "summary": "x" });
            case = place.desks("case/v1/resolve", body).await.ok().clone();
            if state == CaseState::Closed {
                case = place.own("case/v1/close", json!({ "id": id, "version": 4 })).await.ok().clone();
            }
        }
    }
    assert_eq!(case["state"], state.as_str());
    (case, question)
}

#[tokio::test]
async fn every_verb_is_tried_in_every_state() {
    let place = Place::new().await;
    let count = verbs(&json!({}), &json!({})).len();
    let mut done = 0;
    for state in CaseState::ALL {
        for at in 0..count {
            let (case, question) = brought_to(&place, *state).await;
            let (verb, body) = verbs(&case, &question).swap_remove(at);
            let told = told_allowed(&place, &case["id"]).await;
            let procedure = verb.split(' ').next().expect("a verb");
            let answer = place.desks(&format!("case/v1/{procedure}"), body).await;
            let what = format!("{verb} of a case that is {}: {:#}", state.as_str(), answer.body);
            match leads(*state, verb) {
                Some(Some(to)) => {
                    answer.ok();
                    assert_eq!(place.read(&case["id"]).await["state"], to.as_str(), "{what}");
                }
                // Another question may be put while one is open.
                Some(None) if verb == "ask" && *state == CaseState::WaitingOwner => drop(answer.ok()),
                Some(None) => {
                    answer.refused("CASE_INVALID_TRANSITION");
                    let details = &answer.body["error"]["details"];
                    assert_eq!(details["from"], state.as_str(), "{what}");
                    assert!(details["allowed"].is_array(), "{what}");
                }
                None if verb == "answer" && question.is_null() => answer.refused_at("questionId", "REQUIRED"),
                None if matches!(procedure, "update" | "assign" | "unassign" | "changePriority") && !state.open() => {
                    answer.refused("CASE_ENDED");
                }
                None => drop(answer.ok()),
            }
            // The reader was told before whether it would go.
            let name = format!("CASE_{}", shouted(procedure));
            let goes = answer.status == 200;
            let several = procedure == "updateStatus" || (verb == "answer" && question.is_null()) || verb == "unassign";
            assert!(several || told.contains(&name) == goes, "{what} {told:?}");
            done += usize::from(goes);
        }
    }
    assert!(done > 50, "{done}");
}

fn shouted(verb: &str) -> String {
    verb.chars().fold(String::new(), |mut text, letter| {
        if letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
        text
    })
}

async fn told_allowed(place: &Place, id: &Value) -> Vec<String> {
    let query = "query ($id: ID!) { case(id: $id) { actionsAllowed } }";
    let answer = place.world.gql_through(&place.sam, place.desk, &place.grant, query, json!({ "id": id })).await;
    let names = answer.data()["case"]["actionsAllowed"].as_array().cloned().expect("names");
    names.iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn of_two_at_one_case_one_wins_and_the_other_is_shown_how_it_stands() {
    let place = Place::new().await;
    let case = place.at_work().await;
    let body = |priority: &str| json!({ "id": case["id"], "version": 3, "priority": priority });
    let call = |who, priority| place.world.call_through(who, place.desk, &place.grant, "case/v1/changePriority", body(priority));
    let (one, two): (Answer, Answer) = tokio::join!(call(&place.sam, "HIGH"), call(&place.sue, "URGENT"));
    let (won, lost) = if one.status == 200 { (one, two) } else { (two, one) };
    lost.refused("VERSION_CONFLICT");
    let details = &lost.body["error"]["details"];
    assert_eq!((&details["currentVersion"], &details["current"]["priority"]), (&json!(4), &won.ok()["priority"]));
}

#[tokio::test]
async fn a_case_is_worked_on_by_the_desk_that_holds_it() {
    let place = Place::new().await;
    let (rita, ron) = (person("rita"), person("ron"));
    let (rival, through) = super::let_in(&place.world, (&place.olga, place.home), &rita, &[&ron]).await;
    // With two desks, nobody holds a new case unless the owner says so.
    let free = place.case().await;
    assert_eq!(free["deskId"], Value::Null);
    let body = json!({ "title": "Ours", "deskId": place.desk });
    let ours = place.own("case/v1/create", body).await.ok().clone();
    let rivals = async |procedure: &str, body: Value| place.world.call_through(&ron, rival, &through, procedure, body).await;
    let triage = |case: &Value| json!({ "id": case["id"], "version": 1, "kind": "REPAIR", "priority": "LOW" });
    rivals("case/v1/triage", triage(&ours)).await.refused("CASE_HELD_BY_ANOTHER");
    rivals("case/v1/addNote", json!({ "id": ours["id"], "text": "Hello" })).await.refused("CASE_HELD_BY_ANOTHER");
    // Whoever takes a free one holds it.
    assert_eq!(rivals("case/v1/triage", triage(&free)).await.ok()["deskId"], json!(rival));
    place
        .desks("case/v1/changePriority", json!({ "id": free["id"], "version": 2, "priority": "HIGH" }))
        .await
        .refused("CASE_HELD_BY_ANOTHER");
    // Nobody but its own people works on it.
    let sam = place.world.principal(&place.sam).await;
    let assign = json!({ "id": free["id"], "version": 2, "assigneeId": sam });
    rivals("case/v1/assign", assign).await.refused_at("assigneeId", "NOT_OF_THE_DESK");
}
