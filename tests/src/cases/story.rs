//! From a wish to a closed case, on both surfaces.

use super::Place;
use serde_json::{Value, json};

#[tokio::test]
async fn a_wish_becomes_a_case_that_everybody_concerned_can_follow() {
    let place = Place::new().await;
    let wish = json!({ "text": "The gutter over the porch drips whenever it rains", "wanted": "A dry porch", "propertyId": place.house,
        "budgetMinor": 60_000, "budgetCurrency": "USD", "mustNots": ["No work on Sundays"] });
    let wish = place.own("intent/v1/submit", wish).await.ok().clone();
    assert_eq!((&wish["number"], &wish["state"], &wish["kind"]), (&json!("I-1"), &json!("SUBMITTED"), &Value::Null));
    assert_eq!(wish["suggestedKind"], "REPAIR", "{wish:#}");
    place.desks("intent/v1/convertToCase", json!({ "id": wish["id"], "version": 1 })).await.refused("INVALID_TRANSITION");
    let classify = json!({ "id": wish["id"], "version": 1, "kind": "REPAIR", "urgency": "HIGH" });
    let classified = place.desks("intent/v1/classify", classify).await.ok().clone();
    assert_eq!(
        (&classified["domain"], &classified["suggestionTaken"]),
        (&json!("PROPERTY"), &json!(wish["suggestedUrgency"] == "HIGH"))
    );
    let case = place.desks("intent/v1/convertToCase", json!({ "id": wish["id"], "version": 2 })).await.ok().clone();
    let id = &case["id"];
    assert_eq!((&case["number"], &case["title"], &case["priority"]), (&json!("C-1"), &json!("A dry porch"), &json!("HIGH")));
    assert_eq!((&case["deskId"], &case["intentId"]), (&json!(place.desk), &wish["id"]));
    // The desk that opens it has looked at it.
    assert!(case["acknowledgedAt"].is_string() && case["acknowledgeBy"].is_null() && case["resolveBy"].is_string(), "{case:#}");

    let sue = place.world.principal(&place.sue).await;
    let triage = json!({ "id": id, "version": 1, "kind": "REPAIR", "priority": "HIGH", "assigneeId": sue });
    let triaged = place.desks("case/v1/triage", triage).await.ok().clone();
    assert_eq!((&triaged["state"], &triaged["assigneeId"]), (&json!("TRIAGED"), &sue));
    assert_eq!(triaged["acknowledgedAt"], case["acknowledgedAt"]);
    place.desks("case/v1/updateStatus", json!({ "id": id, "version": 2, "state": "IN_PROGRESS" })).await.ok();
    let ask = json!({ "id": id, "version": 3, "text": "Zinc or plastic?", "choices": ["Zinc", "Plastic"] });
    let question = place.desks("case/v1/ask", ask).await.ok().clone();
    place.own("case/v1/addNote", json!({ "id": id, "text": "The neighbours have zinc." })).await.ok();
    let answer = |choice: &str| json!({ "id": id, "questionId": question["id"], "choice": choice });
    place.own("case/v1/answer", answer("Gold")).await.refused_at("choice", "NOT_A_CHOICE");
    place.own("case/v1/answer", answer("Zinc")).await.ok();
    place.own("case/v1/answer", answer("Zinc")).await.refused("CASE_QUESTION_ENDED");
    assert_eq!(place.read(id).await["state"], "IN_PROGRESS");
    let resolve = json!({ "id": id, "version": 5, "resolution": "DONE", "summary": "A new zinc gutter." });
    let resolved = place.desks("case/v1/resolve", resolve).await.ok().clone();
    assert!(resolved["closesAt"].is_string() && resolved["resolveBy"].is_null(), "{resolved:#}");
    place.own("case/v1/reopen", json!({ "id": id, "version": 6, "reason": "It drips again" })).await.ok();
    let resolve = json!({ "id": id, "version": 7, "resolution": "DONE", "summary": "Tightened." });
    place.desks("case/v1/resolve", resolve).await.ok();
    place.own("case/v1/close", json!({ "id": id, "version": 8 })).await.ok();

    let query = "query ($id: ID!) { case(id: $id) {
        number state allowedTransitions reopenedCount property { address { line1 } } intent { number case { id } }
        desk { name } assignee { displayName } openedByActor { displayName }
        notes(first: 20) { nodes { text author { displayName } } } questions { text choice state askedByActor { displayName } }
        links { nodes { id } } internalNotes { nodes { id } }
        timeline(first: 50) { nodes { kind sentence actedAs moves { field from to } } } } }";
    let data = place.query(query, json!({ "id": id })).await;
    let shown = &data["case"];
    assert_eq!(
        (&shown["state"], &shown["allowedTransitions"], &shown["reopenedCount"]),
        (&json!("CLOSED"), &json!(["IN_PROGRESS"]), &json!(1))
    );
    assert_eq!(shown["intent"], json!({ "number": "I-1", "case": { "id": id } }));
    assert_eq!(shown["assignee"]["displayName"], "sue");
    assert_eq!(shown["notes"]["nodes"], json!([{ "text": "The neighbours have zinc.", "author": { "displayName": "olga" } }]));
    let asked =
        json!([{ "text": "Zinc or plastic?", "choice": "Zinc", "state": "ANSWERED", "askedByActor": { "displayName": "sam" } }]);
    assert_eq!(shown["questions"], asked);
    let timeline = shown["timeline"]["nodes"].as_array().expect("a timeline");
    let told: Vec<&str> = timeline.iter().rev().filter_map(|entry| entry["sentence"].as_str()).collect();
    let expected = [
        "olga said what is wanted.",
        "sam read the wish and said what it is about.",
        "sam opened the case.",
        "sam made a case of the wish.",
        "sam looked at the case and took it on to sue.",
        "sam went on with the case.",
        "sam asked a question.",
        "sam asked the owner, and the case waits for an answer.",
        "olga wrote a note.",
        "olga answered a question.",
        "olga answered, and the case goes on.",
        "sam resolved the case.",
        "olga took the case up again.",
        "sam resolved the case.",
        "olga closed the case.",
    ];
    assert_eq!(told, expected);
    let moved = &timeline[0]["moves"];
    assert!(
        moved.as_array().expect("moves").contains(&json!({ "field": "state", "from": "RESOLVED", "to": "CLOSED" })),
        "{moved:#}"
    );

    // Relations lead both ways, and everything is found by its id.
    let query = "query ($id: ID!, $house: ID!) { node(id: $id) { ... on Case { number } }
        property(id: $house) { cases { totalCount nodes { number } } intents(filter: { state: [CONVERTED] }) { nodes { number } } } }";
    let data = place.query(query, json!({ "id": id, "house": place.house })).await;
    assert_eq!(data["node"]["number"], "C-1");
    assert_eq!(data["property"]["cases"], json!({ "totalCount": 1, "nodes": [{ "number": "C-1" }] }));
    assert_eq!(data["property"]["intents"]["nodes"], json!([{ "number": "I-1" }]));
}

#[tokio::test]
async fn numbers_are_dense_in_an_organization_whatever_fails() {
    let place = Place::new().await;
    let made = futures_util::future::join_all((0..12).map(|_| place.case())).await;
    // A refusal takes none.
    let wrong = json!({ "title": "x", "deskId": place.home });
    place.own("case/v1/create", wrong).await.refused_at("deskId", "NOT_A_DESK");
    let mut numbers: Vec<String> = made.iter().map(|case| case["number"].as_str().expect("a number").to_owned()).collect();
    numbers.push(place.case().await["number"].as_str().expect("a number").to_owned());
    numbers.sort_by_key(|number| number.len());
    let mut expected: Vec<String> = (1..=13).map(|number| format!("C-{number}")).collect();
    numbers.sort();
    expected.sort();
    assert_eq!(numbers, expected);
    let found = place.query("{ cases(filter: { number: \"c-13\" }) { nodes { number } } }", json!({})).await;
    assert_eq!(found["cases"]["nodes"], json!([{ "number": "C-13" }]));
    let wrong = place
        .world
        .gql(&place.olga, Some(place.home), "{ cases(filter: { number: \"X-1\" }) { nodes { id } } }", json!({}))
        .await;
    assert!(wrong.body.to_string().contains("such as C-1042"), "{:#}", wrong.body);
}

#[tokio::test]
async fn a_case_is_one_of_the_links_that_lead_to_it() {
    let place = Place::new().await;
    let (one, two, three) = (place.case().await, place.case().await, place.case().await);
    let link = |from: &Value, to: &Value, kind: &str| json!({ "id": from["id"], "otherId": to["id"], "kind": kind });
    place.own("case/v1/link", link(&one, &two, "BLOCKED_BY")).await.refused("FORBIDDEN");
    let first = place.desks("case/v1/link", link(&one, &two, "BLOCKED_BY")).await.ok().clone();
    place.desks("case/v1/link", link(&one, &two, "BLOCKED_BY")).await.refused("TAKEN");
    place.desks("case/v1/link", link(&two, &three, "BLOCKED_BY")).await.ok();
    place.desks("case/v1/link", link(&three, &one, "BLOCKED_BY")).await.refused_at("otherId", "CIRCLE");
    place.desks("case/v1/link", link(&one, &one, "FOLLOWS")).await.refused_at("otherId", "CIRCLE");
    place.desks("case/v1/link", link(&two, &one, "RELATES_TO")).await.ok();
    place.desks("case/v1/link", link(&one, &two, "RELATES_TO")).await.refused("TAKEN");
    let links = async || {
        let query = "query ($id: ID!) { case(id: $id) { links { nodes { kind case { number } other { number } } } } }";
        place.query(query, json!({ "id": two["id"] })).await["case"]["links"]["nodes"].as_array().expect("links").len()
    };
    assert_eq!(links().await, 3);
    let unlink = json!({ "id": two["id"], "linkId": first["id"] });
    place.desks("case/v1/unlink", unlink.clone()).await.ok();
    place.desks("case/v1/unlink", unlink).await.refused("ENDED");
    assert_eq!(links().await, 2);
    place.desks("case/v1/link", link(&one, &two, "BLOCKED_BY")).await.ok();
}
