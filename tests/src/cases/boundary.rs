//! What a desk keeps for itself: in no byte that an owner, their delegate or another desk can get.

use super::Place;
use crate::harness::{Person, Socket, person};
use serde_json::{Value, json};
use uuid::Uuid;

const SECRET: &str = "Zanzibar-7731: raise the price, he never haggles";

#[tokio::test]
async fn an_internal_note_is_in_no_byte_that_others_can_get() {
    let place = Place::new().await;
    let world = &place.world;
    let (tom, rita, ron) = (person("tom"), person("rita"), person("ron"));
    let holder = world.principal(&tom).await;
    let delegated = json!({ "holderId": holder, "propertyIds": [place.house], "actions": ["UPDATE", "READ_FINANCES", "ANSWER", "SUBMIT_INTENTS"] });
    world.delegate(&place.olga, place.home, delegated).await;
    let (rival, through) = super::let_in(world, (&place.olga, place.home), &rita, &[&ron]).await;
    let cursors = [
        world.rpc(&place.olga, Some(place.home), "change/v1/list", json!({})).await.ok()["cursor"].clone(),
        world.rpc(&ron, Some(rival), "change/v1/list", json!({})).await.ok()["cursor"].clone(),
    ];
    let mut socket = Socket::open(&world.app.url(), &place.olga, Some(place.home), None).await.expect("a connection");
    let all = "subscription { events { resourceKind resourceId event { id seq kind references { id } } } }";
    socket.subscribe("all", all, json!({})).await;
    let case = place.at_work().await;
    let before = world
        .count("SELECT event_seq FROM org_head h JOIN organization o ON o.id = h.organization_id WHERE o.type = 'TRUST_OR_LLC'")
        .await;
    let note = place.desks("case/v1/addInternalNote", json!({ "id": case["id"], "text": SECRET })).await.ok().clone();
    let after = world
        .count("SELECT event_seq FROM org_head h JOIN organization o ON o.id = h.organization_id WHERE o.type = 'TRUST_OR_LLC'")
        .await;
    assert_eq!(before, after, "the owner's log counts nothing");
    assert_eq!(place.read(&case["id"]).await["version"], case["version"]);
    let id = note["id"].as_str().expect("an id").to_owned();
    let operation: Uuid = sqlx::query_scalar("SELECT operation_id FROM event WHERE resource_kind = 'internal_note'")
        .fetch_one(&world.sql)
        .await
        .expect("an event");
    place.own("case/v1/addNote", json!({ "id": case["id"], "text": "To be heard" })).await.ok();

    // The desk itself finds it: beside the case, in its own list, by its id, among its changes, and in no other desk's.
    let query = "query ($id: ID!, $note: ID!) { case(id: $id) { internalNotes { nodes { text author { displayName } case { number } } } } node(id: $note) { id } internalNotes { totalCount } }";
    let own = world.gql_through(&place.sam, place.desk, &place.grant, query, json!({ "id": case["id"], "note": id })).await;
    assert_eq!(own.data()["case"]["internalNotes"]["nodes"][0]["text"], SECRET);
    assert_eq!((&own.data()["node"]["id"], &own.data()["internalNotes"]["totalCount"]), (&json!(id), &json!(1)));

    let mut heard = Vec::new();
    let everything = "query ($id: ID!, $note: ID!, $op: ID!) {
        case(id: $id) { id version notes { totalCount nodes { id text } } internalNotes { totalCount nodes { id text } } questions { id }
          links { nodes { id } } timeline(first: 100) { nodes { id seq kind sentence operationId references { id } } } history { nodes { id } } actionsAllowed }
        internalNote(id: $note) { id } internalNotes { totalCount nodes { id text } } node(id: $note) { id } operation(id: $op) { id }
        caseNotes(filter: { search: \"Zanzibar\" }) { totalCount nodes { id } } cases(filter: { search: \"Zanzibar\" }) { totalCount }
        organization { history(first: 100) { nodes { id kind resourceId operationId } } } }";
    let eyes: [(&Person, Uuid, Option<&Value>); 4] =
        [(&place.olga, place.home, None), (&tom, place.home, None), (&ron, rival, Some(&through)), (&ron, rival, None)];
    for (who, acting, grant) in eyes {
        let variables = json!({ "id": case["id"], "note": id, "op": operation });
        let answer = match grant {
            Some(grant) => world.gql_through(who, acting, grant, everything, variables).await,
            None => world.gql(who, Some(acting), everything, variables).await,
        };
        heard.push(answer.body.to_string());
        for (procedure, body) in [
            ("internalNote/v1/get", json!({ "id": id })),
            ("internalNote/v1/list", json!({ "withTotal": true })),
            ("internalNote/v1/list", json!({ "filter": { "caseId": case["id"] }, "withTotal": true })),
            ("caseNote/v1/get", json!({ "id": id })),
            ("caseNote/v1/list", json!({ "withTotal": true })),
            ("case/v1/list", json!({})),
            ("case/v1/unlink", json!({ "id": case["id"], "linkId": id, "idempotencyKey": world.key() })),
            ("operation/v1/get", json!({ "id": operation })),
            ("change/v1/list", json!({ "after": if acting == rival { &cursors[1] } else { &cursors[0] }, "first": 100 })),
        ] {
            let answer = match grant {
                Some(grant) => world.read_through(who, acting, grant, procedure, body).await,
                None => world.rpc(who, Some(acting), procedure, body).await,
            };
            heard.push(answer.body.to_string());
        }
    }
    // Whatever was published to the owner until the shared note, which came later.
    loop {
        let message = socket.next().await.to_string();
        let last = message.contains("case_note.created");
        heard.push(message);
        if last {
            break;
        }
    }
    for text in &heard {
        assert!(!text.contains("Zanzibar"), "{text}");
        let asked = text.replace(&format!("no {id}"), "");
        assert!(!asked.contains(&id) && !asked.contains(&operation.to_string()), "{text}");
        assert!(!text.contains("internal_note.created"), "{text}");
    }

    // It stays the desk's when it is let in no longer, and says nothing new about the owner then.
    place.own("accessGrant/v1/revoke", json!({ "id": place.grant, "version": 2 })).await.ok();
    let query = "{ internalNotes { nodes { text caseId case { number } } } }";
    let kept = world.gql(&place.sam, Some(place.desk), query, json!({})).await;
    assert_eq!(kept.data()["internalNotes"]["nodes"], json!([{ "text": SECRET, "caseId": case["id"], "case": null }]));
    let refused = place.desks("case/v1/addInternalNote", json!({ "id": case["id"], "text": "More" })).await;
    assert_eq!(refused.code(), "GRANT_NOT_FOUND");
}
