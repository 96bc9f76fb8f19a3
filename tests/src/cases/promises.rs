//! What a desk promises: until when it looks at a case and resolves it, who is reminded, and what happens when it is late.

use super::Place;
use crate::harness::until;
use chrono::{DateTime, TimeDelta, Utc};
use schema::Clock;
use serde_json::{Value, json};

fn at(value: &Value) -> DateTime<Utc> {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no time: {value}"))
}

impl Place {
    /// The desk works round the clock, so that a test can count minutes.
    async fn promises(&self, change: impl FnOnce(&mut Value)) -> Value {
        let dana = crate::harness::person("dana");
        let days = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"].map(|day| format!("{day} 00:00-24:00"));
        let lead = self.world.principal(&self.sue).await;
        let mut body = json!({ "acknowledge": { "low": 240, "normal": 120, "high": 60, "urgent": 15 },
            "resolve": { "low": 6_000, "normal": 3_000, "high": 600, "urgent": 120 }, "hours": days, "timeZone": "America/Phoenix",
            "pausesForOwner": true, "pausesForOthers": false, "remindMinutes": 30, "leadId": lead });
        change(&mut body);
        self.world.call(&dana, self.desk, "serviceLevel/v1/set", body).await.ok().clone()
    }

    async fn until_case(&self, id: &Value, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        until(what, async || Some(self.read(id).await).filter(|case| is(case))).await
    }

    async fn events(&self, id: &Value) -> Vec<String> {
        let query = "query ($id: ID!) { case(id: $id) { timeline(first: 50) { nodes { kind } } } }";
        let data = self.query(query, json!({ "id": id })).await;
        let nodes = data["case"]["timeline"]["nodes"].as_array().cloned().expect("a timeline");
        nodes.iter().rev().map(|node| node["kind"].as_str().expect("a kind").to_owned()).collect()
    }

    /// A little more than these minutes pass: what was to come then is late by as little.
    fn advance(&self, minutes: i64) {
        let passed = TimeDelta::minutes(minutes) + TimeDelta::seconds(1);
        self.world.clock.advance(passed.to_std().expect("ahead"));
    }
}

#[tokio::test]
async fn the_clock_runs_by_priority_and_stands_while_the_owner_is_asked() {
    let place = Place::new().await;
    place.promises(|_| ()).await;
    let case = place.case().await;
    let (id, opened) = (&case["id"], at(&case["createdAt"]));
    assert_eq!(at(&case["acknowledgeBy"]) - opened, TimeDelta::minutes(120));
    assert_eq!(at(&case["resolveBy"]) - opened, TimeDelta::minutes(3_000));
    place.advance(50);
    let triage = json!({ "id": id, "version": 1, "kind": "REPAIR", "priority": "HIGH" });
    let triaged = place.desks("case/v1/triage", triage).await.ok().clone();
    assert_eq!(at(&triaged["acknowledgedAt"]), place.world.clock.now());
    // The fifty minutes that it took so far count.
    assert_eq!(at(&triaged["resolveBy"]) - opened, TimeDelta::minutes(600));
    place.desks("case/v1/updateStatus", json!({ "id": id, "version": 2, "state": "IN_PROGRESS" })).await.ok();
    place.advance(100);
    let question = place.desks("case/v1/ask", json!({ "id": id, "version": 3, "text": "Zinc?" })).await.ok().clone();
    assert_eq!(place.read(id).await["resolveBy"], Value::Null, "the clock stands");
    place.advance(10_000);
    place.own("case/v1/answer", json!({ "id": id, "questionId": question["id"], "answer": "Yes" })).await.ok();
    let going = place.read(id).await;
    let left = at(&going["resolveBy"]) - place.world.clock.now();
    assert_eq!(left.num_minutes(), 600 - 151, "{left}");
    assert_eq!(going["escalatedAt"], Value::Null, "nobody is late while the owner is asked");
    // While others are waited for it runs on.
    let wait = json!({ "id": id, "version": going["version"], "state": "WAITING_EXTERNAL", "waitingFor": "The roofer" });
    let waiting = place.desks("case/v1/updateStatus", wait).await.ok().clone();
    assert_eq!(waiting["resolveBy"], going["resolveBy"]);
}

#[tokio::test]
async fn what_is_due_is_reminded_of_and_what_is_late_is_told_to_the_lead_once() {
    let place = Place::new().await;
    place.promises(|_| ()).await;
    let case = place.case().await;
    let id = &case["id"];
    place.advance(91);
    place.until_case(id, "a reminder", |case| case["version"] == 2).await;
    assert_eq!(place.events(id).await, ["case.created", "case.reminded"]);
    place.advance(30);
    let late = place.until_case(id, "an escalation", |case| case["escalatedAt"].is_string()).await;
    let sue = place.world.principal(&place.sue).await;
    assert_eq!((&late["priority"], &late["leadId"]), (&json!("HIGH"), &sue));
    assert!(at(&late["resolveBy"]) < at(&case["resolveBy"]), "what is more urgent is promised sooner");
    // Time goes on, and nothing is told twice.
    place.advance(60);
    let triage = json!({ "id": id, "version": late["version"], "kind": "REPAIR", "priority": "HIGH" });
    let triaged = place.desks("case/v1/triage", triage).await.ok().clone();
    place.advance(3_000);
    place.until_case(id, "another escalation", |case| case["escalatedAt"] != late["escalatedAt"]).await;
    assert_eq!(triaged["state"], "TRIAGED");
    let events = place.events(id).await;
    assert_eq!(events, ["case.created", "case.reminded", "case.escalated", "case.triaged", "case.escalated"]);
}

#[tokio::test]
async fn a_resolved_case_closes_by_itself_and_is_reopened_for_a_while() {
    let place = Place::new().await;
    place.promises(|body| body["closeDays"] = json!(3)).await;
    let case = place.at_work().await;
    let id = &case["id"];
    let resolve = |version: i32| json!({ "id": id, "version": version, "resolution": "DONE", "summary": "Mended" });
    let resolved = place.desks("case/v1/resolve", resolve(3)).await.ok().clone();
    assert_eq!(at(&resolved["closesAt"]) - place.world.clock.now(), TimeDelta::days(3));
    place.advance(2 * 24 * 60);
    place.own("case/v1/reopen", json!({ "id": id, "version": 4, "reason": "Again" })).await.ok();
    place.advance(3 * 24 * 60);
    let open = place.until_case(id, "it to be late", |case| case["escalatedAt"].is_string()).await;
    assert_eq!(open["state"], "IN_PROGRESS", "a case that was reopened does not close");
    let version = i32::try_from(open["version"].as_i64().expect("a version")).expect("small");
    place.desks("case/v1/resolve", resolve(version)).await.ok();
    place.advance(3 * 24 * 60);
    let closed = place.until_case(id, "the closing", |case| case["state"] == "CLOSED").await;
    assert_eq!(at(&closed["reopenUntil"]) - at(&closed["closedAt"]), TimeDelta::days(30));
    let last = place
        .query("query ($id: ID!) { case(id: $id) { timeline(first: 1) { nodes { sentence actedAs } } } }", json!({ "id": id }))
        .await;
    assert_eq!(last["case"]["timeline"]["nodes"], json!([{ "sentence": "The gateway closed the case.", "actedAs": "SYSTEM" }]));
    place.advance(31 * 24 * 60);
    let reopen = json!({ "id": id, "version": closed["version"], "reason": "Late" });
    place.own("case/v1/reopen", reopen).await.refused("CASE_REOPEN_TOO_LATE");
    let query = "query ($id: ID!) { case(id: $id) { allowedTransitions } }";
    assert_eq!(place.query(query, json!({ "id": id })).await["case"]["allowedTransitions"], json!([]));
}

#[tokio::test]
async fn a_question_that_nobody_answers_is_reminded_of_and_then_told() {
    let place = Place::new().await;
    place.promises(|_| ()).await;
    let case = place.at_work().await;
    let id = &case["id"];
    let due = place.world.clock.now() + TimeDelta::days(2);
    let early = json!({ "id": id, "version": 3, "text": "Zinc?", "dueAt": place.world.clock.now() });
    place.desks("case/v1/ask", early).await.refused_at("dueAt", "TOO_EARLY");
    let question =
        place.desks("case/v1/ask", json!({ "id": id, "version": 3, "text": "Zinc?", "dueAt": due })).await.ok().clone();
    let asked = async || {
        let body = json!({ "id": question["id"] });
        place.world.rpc(&place.olga, Some(place.home), "caseQuestion/v1/get", body).await.ok().clone()
    };
    place.advance(2 * 24 * 60);
    until("a reminder", async || asked().await["remindedAt"].is_string().then_some(())).await;
    assert_eq!(place.read(id).await["escalatedAt"], Value::Null);
    place.advance(24 * 60);
    until("an escalation", async || asked().await["escalatedAt"].is_string().then_some(())).await;
    place.until_case(id, "a case that is late", |case| case["escalatedAt"].is_string()).await;
    // A case that goes on without an answer takes the question back.
    let version = place.read(id).await["version"].clone();
    let resolve = json!({ "id": id, "version": version, "resolution": "NOT_NEEDED", "summary": "It stopped raining" });
    place.desks("case/v1/resolve", resolve).await.ok();
    assert_eq!(asked().await["state"], "WITHDRAWN");
}

#[tokio::test]
async fn a_level_counts_from_its_start_and_only_for_those_who_set_it() {
    let place = Place::new().await;
    place.promises(|_| ()).await;
    let starts = place.world.clock.now() + TimeDelta::hours(1);
    place
        .promises(|body| {
            body["startsAt"] = json!(starts);
            body["acknowledge"]["normal"] = json!(10);
        })
        .await;
    let before = place.case().await;
    assert_eq!(at(&before["acknowledgeBy"]) - at(&before["createdAt"]), TimeDelta::minutes(120));
    place.advance(61);
    // An open case is planned anew then. The hour that it waited counts, so that it is due at once.
    let planned = place.until_case(&before["id"], "the new plan", |case| case["acknowledgeBy"] != before["acknowledgeBy"]).await;
    assert!(at(&planned["acknowledgeBy"]) <= place.world.clock.now(), "{planned:#}");
    assert_eq!(planned["resolveBy"], before["resolveBy"], "as it was promised by both");
    let after = place.case().await;
    assert_eq!(at(&after["acknowledgeBy"]) - at(&after["createdAt"]), TimeDelta::minutes(10));
    let past = json!({ "startsAt": place.world.clock.now() - TimeDelta::hours(1), "acknowledge": { "low": 1, "normal": 1, "high": 1, "urgent": 1 },
        "resolve": { "low": 1, "normal": 1, "high": 1, "urgent": 1 }, "hours": ["MON 09:00-17:00"], "timeZone": "UTC" });
    let dana = crate::harness::person("dana");
    place.world.call(&dana, place.desk, "serviceLevel/v1/set", past.clone()).await.refused_at("startsAt", "TOO_EARLY");
    place.world.call(&place.sam, place.desk, "serviceLevel/v1/set", past.clone()).await.refused("FORBIDDEN");
    for (field, value, code) in [
        ("hours", json!(["MON 9-17"]), "INVALID_HOURS"),
        ("hours", json!(["MON 09:00-12:00", "MON 11:00-13:00"]), "OVERLAP"),
        ("hours", json!([]), "TOO_FEW"),
        ("holidays", json!(["25.12.2026"]), "INVALID_DATE"),
        ("timeZone", json!("Mars/Olympus"), "UNKNOWN_TIME_ZONE"),
        ("closeDays", json!(-1), "TOO_SMALL"),
    ] {
        let mut wrong = past.clone();
        wrong["startsAt"] = Value::Null;
        wrong[field] = value;
        place.world.call(&dana, place.desk, "serviceLevel/v1/set", wrong).await.refused_at(field, code);
    }
}

#[tokio::test]
async fn whoever_has_worked_longer_than_a_higher_priority_allows_is_late_at_once() {
    let place = Place::new().await;
    place.promises(|_| ()).await;
    let case = place.at_work().await;
    let id = &case["id"];
    place.advance(700);
    let urgent = json!({ "id": id, "version": 3, "priority": "HIGH" });
    let late = place.desks("case/v1/changePriority", urgent).await.ok().clone();
    assert!(at(&late["resolveBy"]) <= place.world.clock.now(), "{late:#}");
    place.until_case(id, "an escalation", |case| case["escalatedAt"].is_string()).await;
}

#[tokio::test]
async fn a_desk_that_may_act_no_more_promises_nothing_and_changes_nothing() {
    let place = Place::new().await;
    place.promises(|_| ()).await;
    let case = place.at_work().await;
    let id = &case["id"];
    place.own("accessGrant/v1/revoke", json!({ "id": place.grant, "version": 2 })).await.ok();
    place.advance(1);
    // Not even by a new level, whose promises are broken in a minute.
    place.promises(|body| body["resolve"] = json!({ "low": 1, "normal": 1, "high": 1, "urgent": 1 })).await;
    place.advance(60);
    place.advance(3_000);
    // When its time comes, the case is let go of: nobody is late, and nobody's lead is told.
    let free = place.until_case(id, "a case without a desk", |case| case["deskId"].is_null()).await;
    assert_eq!((&free["resolveBy"], &free["escalatedAt"], &free["leadId"]), (&Value::Null, &Value::Null, &Value::Null));
    assert_eq!((&free["priority"], &free["assigneeId"]), (&json!("NORMAL"), &Value::Null));
    assert!(!place.events(id).await.contains(&"case.replanned".to_owned()));
}

#[tokio::test]
async fn going_on_without_an_answer_takes_the_question_back() {
    let place = Place::new().await;
    let case = place.at_work().await;
    let id = &case["id"];
    let due = place.world.clock.now() + TimeDelta::days(1);
    let question =
        place.desks("case/v1/ask", json!({ "id": id, "version": 3, "text": "Zinc?", "dueAt": due })).await.ok().clone();
    place.desks("case/v1/updateStatus", json!({ "id": id, "version": 4, "state": "IN_PROGRESS" })).await.ok();
    let body = json!({ "id": question["id"] });
    let asked = place.world.rpc(&place.olga, Some(place.home), "caseQuestion/v1/get", body).await.ok().clone();
    assert_eq!((&asked["state"], &asked["remindedAt"]), (&json!("WITHDRAWN"), &Value::Null));
    let answer = json!({ "id": id, "questionId": question["id"], "answer": "Yes" });
    place.own("case/v1/answer", answer).await.refused("CASE_QUESTION_ENDED");
}
