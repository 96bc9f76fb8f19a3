use crate::harness::{Gate, Options, Person, Shaky, World, person};
use schema::Boundary;
use serde_json::json;

#[tokio::test]
async fn a_right_withdrawn_before_the_write_ends_as_authority_lost() {
    // The operation is held between its record and its work.
    let gate = Gate::at(Boundary::AfterOperation);
    let world = World::new().await;
    let (owner, tom) = (person("olga"), person("tom"));
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let membership = world.join(&owner, home, &tom, "TRUSTEE").await;
    let slow = world.replica(Options { faults: gate.clone(), ..Options::default() }).await;
    let mut body = World::property("1 First Street");
    body["idempotencyKey"] = world.key().to_string().into();
    let (url, delayed) = (slow.url(), body.clone());
    let create = async { world.rpc_at(&url, &tom, Some(home), "property/v1/create", delayed).await };
    let revoke = async {
        gate.someone_waits().await;
        let revoked = world.call(&owner, home, "membership/v1/revoke", json!({ "id": membership["id"], "version": 2 })).await;
        revoked.ok();
        gate.open();
    };
    let (answer, ()) = tokio::join!(create, revoke);
    answer.refused("AUTHORITY_LOST");
    assert_eq!(answer.status, 403);
    assert_eq!(world.count("SELECT count(*) FROM property").await, 0);
    let state: String = sqlx::query_scalar("SELECT state FROM operation WHERE procedure = 'property/v1/create'")
        .fetch_one(&world.sql)
        .await
        .expect("an operation");
    assert_eq!(state, "FAILED");
}

#[tokio::test]
async fn a_change_that_leaves_the_right_is_decided_again_and_done() {
    let gate = Gate::at(Boundary::AfterOperation);
    let world = World::new().await;
    let (owner, tom) = (person("olga"), person("tom"));
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    world.join(&owner, home, &tom, "TRUSTEE").await;
    let invited =
        world.call(&owner, home, "membership/v1/invite", json!({ "email": tom.email, "role": "CO_OWNER" })).await.ok().clone();
    let slow = world.replica(Options { faults: gate.clone(), ..Options::default() }).await;
    let mut body = World::property("1 First Street");
    body["idempotencyKey"] = world.key().to_string().into();
    let url = slow.url();
    let create = async { world.rpc_at(&url, &tom, Some(home), "property/v1/create", body).await };
    let accept = async {
        gate.someone_waits().await;
        world.rpc(&tom, None, "membership/v1/accept", json!({ "idempotencyKey": world.key(), "id": invited["id"] })).await.ok();
        gate.open();
    };
    let (answer, ()) = tokio::join!(create, accept);
    answer.ok();
}

#[tokio::test]
async fn agents_recommend_and_people_act() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "CONCIERGE_OPERATOR").await;
    for (kind, subject) in [("AGENT", "summarizer"), ("SERVICE", "importer")] {
        let input = json!({ "kind": kind, "subject": subject, "displayName": subject, "role": "TRUSTEE" });
        world.call(&owner, home, "principal/v1/register", input.clone()).await.ok();
        world.call(&owner, home, "principal/v1/register", input).await.refused("PRINCIPAL_TAKEN");
    }
    let governing = json!({ "kind": "AGENT", "subject": "boss", "displayName": "boss", "role": "ADMINISTRATOR" });
    let refused = world.call(&owner, home, "principal/v1/register", governing).await;
    assert_eq!(refused.body["field_errors"][0]["code"], "NOT_FOR_AGENTS");
    let machine = |subject: &str| {
        let who = person(subject);
        Person { token: who.signed(|claims| claims["iss"] = json!(format!("{}/services", server::secrets::ISSUER))), ..who }
    };
    // The machines' issuer makes no principals, and the people's issuer finds no machines.
    world.rpc(&machine("stranger"), Some(home), "property/v1/list", json!({})).await.refused("TOKEN_INVALID");
    let namesake = world.gql(&person("summarizer"), None, "{ viewer { kind memberships { nodes { role } } } }", json!({})).await;
    assert_eq!(namesake.data()["viewer"], json!({ "kind": "HUMAN", "memberships": { "nodes": [] } }));
    let (agent, service) = (machine("summarizer"), machine("importer"));
    world.rpc(&agent, Some(home), "property/v1/list", json!({})).await.ok();
    let blocked = world.call(&agent, home, "property/v1/create", World::property("1 First Street")).await;
    blocked.refused("AUTONOMY_BLOCKED");
    assert_eq!(blocked.body["error"]["details"]["reasons"], json!(["AUTONOMY_RECOMMEND"]));
    world.call(&service, home, "property/v1/create", World::property("1 First Street")).await.ok();
    // Only people found organizations.
    let founded = json!({ "idempotencyKey": world.key(), "type": "TRUST_OR_LLC", "name": "A" });
    world.rpc(&service, None, "organization/v1/create", founded).await.refused("FORBIDDEN");
}

#[tokio::test]
async fn a_panic_in_the_work_is_stored_and_answered() {
    struct Panics;
    #[async_trait::async_trait]
    impl schema::Faults for Panics {
        async fn at(&self, boundary: Boundary, _: &'static str) -> schema::Result<()> {
            assert!(boundary != Boundary::BeforeCommit, "the test panics here");
            Ok(())
        }
    }
    let world = World::with(Options { faults: std::sync::Arc::new(Panics), ..Options::default() }).await;
    let body = json!({ "idempotencyKey": world.key(), "type": "TRUST_OR_LLC", "name": "A" });
    let answer = world.rpc(&person("olga"), None, "organization/v1/create", body).await;
    answer.refused("INTERNAL");
    assert_eq!((answer.status, answer.body["error"]["message"].as_str()), (500, Some("Something went wrong on our side.")));
    assert_eq!(world.count("SELECT count(*) FROM operation WHERE state = 'FAILED'").await, 1);
    assert_eq!(world.count("SELECT count(*) FROM organization").await, 0);
}

#[tokio::test]
async fn a_decision_that_waited_too_long_is_made_again() {
    // The first attempts fail; by the time one succeeds the clock has moved on by more than a minute.
    let faults = Shaky::at(Boundary::AfterClaim, 1);
    let world = World::with(Options { faults: faults.clone(), ..Options::default() }).await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let gate = Gate::at(Boundary::AfterOperation);
    let slow = world.replica(Options { faults: gate.clone(), ..Options::default() }).await;
    let mut body = World::property("1 First Street");
    body["idempotencyKey"] = world.key().to_string().into();
    let url = slow.url();
    let create = async { world.rpc_at(&url, &owner, Some(home), "property/v1/create", body).await };
    let wait = async {
        gate.someone_waits().await;
        world.clock.advance(std::time::Duration::from_secs(61));
        gate.open();
    };
    let (answer, ()) = tokio::join!(create, wait);
    answer.ok();
    let decided: String =
        sqlx::query_scalar("SELECT authority->>'decided_at' FROM operation WHERE procedure = 'property/v1/create'")
            .fetch_one(&world.sql)
            .await
            .expect("a decision");
    let now = schema::Clock::now(&*world.clock);
    assert_eq!(decided.parse::<chrono::DateTime<chrono::Utc>>().expect("a time"), now, "decided anew");
}
