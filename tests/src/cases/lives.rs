//! The lifecycle: workflows that wait for a case's next time, and lose nothing.

use super::Place;
use crate::harness::{Options, World, until, until_or};
use chrono::TimeDelta;
use schema::{Life, Workflow};
use serde_json::{Value, json};

impl Place {
    /// A case that closes by itself in seven days.
    async fn resolved(&self) -> Value {
        let case = self.at_work().await;
        let resolve = json!({ "id": case["id"], "version": 3, "resolution": "DONE", "summary": "Mended" });
        self.desks("case/v1/resolve", resolve).await.ok().clone()
    }

    async fn closes(&self, case: &Value) {
        let mut missing = String::new();
        until_or("the closing", &mut missing, async |missing| {
            if self.read(&case["id"]).await["state"] == "CLOSED" {
                return Some(());
            }
            let sql = "SELECT jsonb_build_object('deadline', to_jsonb(d), 'life', to_jsonb(l))::text FROM deadline d LEFT JOIN life l USING (organization_id, procedure, id) WHERE d.id = $1::uuid";
            let due: Option<String> = sqlx::query_scalar(sql).bind(case["id"].as_str()).fetch_optional(&self.world.sql).await.expect("a deadline");
            *missing = format!("{due:?} {:?}", self.workflows(case).await);
            None
        })
        .await;
    }

    /// The workflows of a case's life, with their states.
    async fn workflows(&self, case: &Value) -> Vec<(String, String)> {
        let like = format!("case_lifecycle_v%:{}:%", case["id"].as_str().expect("an id"));
        let sql = "SELECT workflow_uuid, status FROM dbos.workflow_status WHERE workflow_uuid LIKE $1 ORDER BY created_at";
        sqlx::query_as(sql).bind(like).fetch_all(&self.world.sql).await.expect("workflows")
    }

    /// The workflow that waits for the case's next time.
    async fn waiting(&self, case: &Value) -> String {
        let mut missing = String::new();
        until_or("a workflow that waits", &mut missing, async |missing| {
            let all = self.workflows(case).await;
            let planned: bool = sqlx::query_scalar("SELECT planned FROM deadline WHERE id = $1::uuid")
                .bind(case["id"].as_str())
                .fetch_optional(&self.world.sql)
                .await
                .expect("a deadline")
                .unwrap_or_default();
            *missing = format!("{all:?}");
            all.iter().rev().find(|(_, state)| state == "DELAYED").map(|(id, _)| id.clone()).filter(|_| planned)
        })
        .await
    }
}

#[tokio::test]
async fn a_case_waits_as_a_row_of_the_engine_and_goes_on_when_its_time_comes() {
    let place = Place::new().await;
    let case = place.case().await;
    let id = case["id"].as_str().expect("an id");
    assert_eq!(place.waiting(&case).await, format!("case_lifecycle_v1:{id}:1"));
    // Its input names the case, and tells nothing of it.
    let input: String = sqlx::query_scalar("SELECT inputs::text FROM dbos.workflow_status WHERE workflow_uuid = $1")
        .bind(format!("case_lifecycle_v1:{id}:1"))
        .fetch_one(&place.world.sql)
        .await
        .expect("an input");
    assert!(input.contains(id) && !input.contains("gutter"), "{input}");
    // A message only moves the time: the same workflow waits on.
    let triage = json!({ "id": id, "version": 1, "kind": "REPAIR", "priority": "URGENT" });
    place.desks("case/v1/triage", triage).await.ok();
    assert_eq!(place.waiting(&case).await, format!("case_lifecycle_v1:{id}:1"));
    place.world.clock.advance(TimeDelta::days(30).to_std().expect("ahead"));
    until("the lateness", async || place.read(&case["id"]).await["escalatedAt"].is_string().then_some(())).await;
    // Nothing is due any more, so that no other waits. The first still does by the engine's own clock, which did not move.
    let all = until("its end", async || {
        let all = place.workflows(&case).await;
        all.iter().skip(1).all(|(_, state)| state == "SUCCESS").then_some(all)
    })
    .await;
    assert_eq!(all[0].0, format!("case_lifecycle_v1:{id}:1"));
}

#[tokio::test]
async fn whatever_is_lost_of_the_engine_is_begun_anew_from_the_deadline() {
    let place = Place::new().await;
    for (lost, sql) in [
        ("the row of a workflow", "DELETE FROM dbos.workflow_status WHERE workflow_uuid = $1"),
        ("a workflow that was cancelled", "UPDATE dbos.workflow_status SET status = 'CANCELLED' WHERE workflow_uuid = $1"),
        (
            "a workflow that is parked",
            "UPDATE dbos.workflow_status SET status = 'MAX_RECOVERY_ATTEMPTS_EXCEEDED' WHERE workflow_uuid = $1",
        ),
        (
            "one that hangs with a replica that is gone",
            "UPDATE dbos.workflow_status SET status = 'PENDING', executor_id = 'gone' WHERE workflow_uuid = $1",
        ),
    ] {
        let case = place.resolved().await;
        let waiting = place.waiting(&case).await;
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(&waiting).execute(&place.world.sql).await.expect(lost);
        place.world.clock.advance(TimeDelta::days(8).to_std().expect("ahead"));
        place.closes(&case).await;
        let events = "SELECT count(*) FROM event WHERE resource_id = $1::uuid AND kind = 'case.closed'";
        let closed: i64 =
            sqlx::query_scalar(events).bind(case["id"].as_str()).fetch_one(&place.world.sql).await.expect("a count");
        assert_eq!(closed, 1, "{lost}");
    }
    // All of it at once, with its bookkeeping.
    let cases = [place.resolved().await, place.resolved().await];
    for case in &cases {
        place.waiting(case).await;
    }
    sqlx::raw_sql("DELETE FROM dbos.workflow_status WHERE workflow_uuid LIKE 'case_lifecycle%'; DELETE FROM life")
        .execute(&place.world.sql)
        .await
        .expect("lost");
    place.world.clock.advance(TimeDelta::days(8).to_std().expect("ahead"));
    for case in &cases {
        place.closes(case).await;
    }
}

#[tokio::test]
async fn a_case_that_was_reopened_lives_on_under_new_numbers() {
    let place = Place::new().await;
    let case = place.resolved().await;
    place.waiting(&case).await;
    place.own("case/v1/close", json!({ "id": case["id"], "version": 4 })).await.ok();
    let deadlines: i64 = sqlx::query_scalar("SELECT count(*) FROM deadline WHERE id = $1::uuid")
        .bind(case["id"].as_str())
        .fetch_one(&place.world.sql)
        .await
        .expect("a count");
    assert_eq!(deadlines, 0, "nothing is to come");
    place.own("case/v1/reopen", json!({ "id": case["id"], "version": 5, "reason": "It drips" })).await.ok();
    place.waiting(&case).await;
    place.world.clock.advance(TimeDelta::days(60).to_std().expect("ahead"));
    until("the lateness", async || place.read(&case["id"]).await["escalatedAt"].is_string().then_some(())).await;
}

#[tokio::test]
async fn an_old_case_ends_on_the_version_that_it_began_with() {
    // A build that knows a second version beside the first. Both do the same, so that only the workflow's name tells.
    let first = resolvers::LIVES[0];
    let second = Life { workflow: Workflow::new(first.workflow.family, 2), procedure: "case/v2/advance" };
    let world = World::with(Options { lives: vec![first, second], ..Options::default() }).await;
    let place = Place::on(world).await;
    let old = place.resolved().await;
    assert!(place.waiting(&old).await.starts_with("case_lifecycle_v1:"));
    let new = place.resolved().await;
    sqlx::query("UPDATE concierge_case SET lifecycle = 2, next_at = next_at + interval '1 hour' WHERE id = $1::uuid")
        .bind(new["id"].as_str())
        .execute(&place.world.sql)
        .await
        .expect("a case of the second version");
    until("the second version", async || {
        let all = place.workflows(&new).await;
        all.iter().any(|(id, state)| id.starts_with("case_lifecycle_v2:") && state == "DELAYED").then_some(())
    })
    .await;
    place.world.clock.advance(TimeDelta::days(8).to_std().expect("ahead"));
    place.closes(&old).await;
    let all = place.workflows(&old).await;
    assert!(all.iter().all(|(id, _)| id.starts_with("case_lifecycle_v1:")), "{all:?}");
}

#[tokio::test]
async fn one_trace_leads_from_the_wish_to_the_closing() {
    let place = Place::new().await;
    let wish = place.own("intent/v1/submit", json!({ "text": "The gutter drips", "propertyId": place.house })).await;
    let trace = wish.body["operation"]["traceId"].as_str().expect("a trace").to_owned();
    let wish = wish.ok();
    place
        .desks("intent/v1/classify", json!({ "id": wish["id"], "version": 1, "kind": "REPAIR", "urgency": "NORMAL" }))
        .await
        .ok();
    let case = place.desks("intent/v1/convertToCase", json!({ "id": wish["id"], "version": 2 })).await.ok().clone();
    let id = &case["id"];
    place.desks("case/v1/triage", json!({ "id": id, "version": 1, "kind": "REPAIR", "priority": "NORMAL" })).await.ok();
    place.desks("case/v1/updateStatus", json!({ "id": id, "version": 2, "state": "IN_PROGRESS" })).await.ok();
    place.desks("case/v1/resolve", json!({ "id": id, "version": 3, "resolution": "DONE", "summary": "x" })).await.ok();
    place.world.clock.advance(TimeDelta::days(8).to_std().expect("ahead"));
    place.closes(&case).await;
    let sql = "SELECT trace_id FROM event WHERE resource_id = $1::uuid AND kind = 'case.closed'";
    let closed: String = sqlx::query_scalar(sql).bind(id.as_str()).fetch_one(&place.world.sql).await.expect("a trace");
    assert_eq!(closed, trace);
}
