//! Intents: said, changed, taken back and declined; and what the gateway suggests.

use super::Place;
use crate::harness::person;
use serde_json::{Value, json};

#[tokio::test]
async fn a_wish_is_said_in_other_words_taken_back_and_declined() {
    let place = Place::new().await;
    let submit = async |text: &str| place.own("intent/v1/submit", json!({ "text": text })).await.ok().clone();
    let wish = submit("The boiler makes a noise and there is no hot water").await;
    let id = &wish["id"];
    place.desks("intent/v1/classify", json!({ "id": id, "version": 1, "kind": "REPAIR", "urgency": "HIGH" })).await.ok();
    // Other words are classified anew; other limits are not.
    let limits = json!({ "id": id, "version": 2, "notAfter": "2026-12-01" });
    assert_eq!(place.own("intent/v1/revise", limits).await.ok()["state"], "CLASSIFIED");
    let words = json!({ "id": id, "version": 3, "text": "Please pay the county property tax bill for us this spring" });
    let revised = place.own("intent/v1/revise", words).await.ok().clone();
    assert_eq!(
        (&revised["state"], &revised["kind"], &revised["suggestionTaken"]),
        (&json!("SUBMITTED"), &Value::Null, &Value::Null)
    );
    assert_eq!(revised["suggestedKind"], "TAX", "{revised:#}");
    let declined = json!({ "id": id, "version": 4, "reason": "The county takes it from the escrow." });
    let declined = place.desks("intent/v1/decline", declined).await.ok().clone();
    assert_eq!(
        (&declined["state"], &declined["endReason"]),
        (&json!("DECLINED"), &json!("The county takes it from the escrow."))
    );
    place.own("intent/v1/revise", json!({ "id": id, "version": 5, "text": "But" })).await.refused("INTENT_ENDED");
    let other = submit("A new fence").await;
    place.own("intent/v1/withdraw", json!({ "id": other["id"], "version": 1 })).await.ok();
    place
        .desks("intent/v1/classify", json!({ "id": other["id"], "version": 2, "kind": "OTHER", "urgency": "LOW" }))
        .await
        .refused("INTENT_ENDED");
    // A wish is the owner's to say; a desk opens a case for what it hears.
    place.desks("intent/v1/submit", json!({ "text": "By phone" })).await.refused("FORBIDDEN");
}

#[tokio::test]
async fn wrong_wishes_are_refused_at_their_fields() {
    let place = Place::new().await;
    let portfolio = place.own("portfolio/v1/create", json!({ "name": "All" })).await.ok()["id"].clone();
    for (more, field, code) in [
        (json!({ "text": " " }), "text", "BLANK"),
        (json!({ "budgetMinor": 100 }), "budgetCurrency", "REQUIRED"),
        (json!({ "budgetCurrency": "USD" }), "budgetMinor", "REQUIRED"),
        (json!({ "budgetMinor": -1, "budgetCurrency": "USD" }), "budgetMinor", "TOO_SMALL"),
        (json!({ "notBefore": "2026-12-02", "notAfter": "2026-12-01" }), "notAfter", "TOO_EARLY"),
        (json!({ "mustNots": [""] }), "mustNots", "BLANK"),
        (json!({ "mustNots": vec!["no"; 21] }), "mustNots", "TOO_MANY"),
        (json!({ "propertyId": place.house, "portfolioId": portfolio }), "propertyId", "EXCLUSIVE"),
    ] {
        let mut body = json!({ "text": "Mend it" });
        body.as_object_mut().expect("fields").extend(more.as_object().cloned().expect("fields"));
        place.own("intent/v1/submit", body).await.refused_at(field, code);
    }
    place.own("intent/v1/submit", json!({ "text": "x", "propertyId": portfolio })).await.refused("NOT_FOUND");
    let count = place.query("{ intents { totalCount } }", json!({})).await;
    assert_eq!(count["intents"]["totalCount"], 0);
}

#[tokio::test]
async fn whatever_is_typed_is_taken_and_a_suggestion_never_acts() {
    let place = Place::new().await;
    let long = "lorem ipsum dolor sit amet ".repeat(370);
    for text in
        ["?", "🏠🔥", "Bitte die Heizung reparieren lassen", &long, "<script>alert(1)</script>", "'; DROP TABLE intent; --"]
    {
        let wish = place.own("intent/v1/submit", json!({ "text": text })).await.ok().clone();
        assert_eq!((&wish["suggestedKind"], &wish["state"]), (&json!("OTHER"), &json!("SUBMITTED")), "{wish:#}");
        assert!(wish["suggestedConfidence"].as_i64().is_some_and(|sure| sure <= 30), "{wish:#}");
    }
    place.own("intent/v1/submit", json!({ "text": "x".repeat(10_001) })).await.refused_at("text", "TOO_LONG");
    assert_eq!(place.query("{ cases { totalCount } }", json!({})).await["cases"]["totalCount"], 0);
}

#[tokio::test]
async fn a_delegate_wishes_reads_and_answers_as_far_as_it_was_delegated() {
    let place = Place::new().await;
    let (tom, lena) = (person("tom"), person("lena"));
    let (tom_id, lena_id) = (place.world.principal(&tom).await, place.world.principal(&lena).await);
    let delegated = json!({ "holderId": tom_id, "propertyIds": [place.house], "actions": ["SUBMIT_INTENTS", "ANSWER"] });
    let given = place.world.delegate(&place.olga, place.home, delegated).await;
    assert_eq!(given["actions"], json!(["READ", "READ_CASES", "SUBMIT_INTENTS", "ANSWER"]), "to read goes with answering");
    let only = json!({ "holderId": lena_id, "propertyIds": [place.house], "actions": ["READ_CASES"] });
    place.world.delegate(&place.olga, place.home, only).await;
    let toms = async |procedure: &str, body: Value| place.world.call(&tom, place.home, procedure, body).await;
    let lenas = async |procedure: &str, body: Value| place.world.call(&lena, place.home, procedure, body).await;
    let wish = json!({ "text": "The tap drips", "propertyId": place.house });
    let said = toms("intent/v1/submit", wish.clone()).await.ok().clone();
    assert_eq!(said["submittedBy"], tom_id);
    lenas("intent/v1/submit", wish).await.refused("FORBIDDEN");
    toms("intent/v1/submit", json!({ "text": "Of no house" })).await.refused("FORBIDDEN");
    toms("intent/v1/classify", json!({ "id": said["id"], "version": 1, "kind": "REPAIR", "urgency": "LOW" }))
        .await
        .refused("FORBIDDEN");

    let case = place.at_work().await;
    let other = place.own("case/v1/create", json!({ "title": "About no house" })).await.ok().clone();
    let question = place.desks("case/v1/ask", json!({ "id": case["id"], "version": 3, "text": "Zinc?" })).await.ok().clone();
    let query = "{ cases { nodes { number questions { text } timeline { nodes { kind } } } } caseNotes { nodes { text } } }";
    for who in [&tom, &lena] {
        let seen = place.world.gql(who, Some(place.home), query, json!({})).await;
        let nodes = seen.data()["cases"]["nodes"].as_array().cloned().expect("cases");
        assert_eq!(nodes.len(), 1, "only those about the house: {nodes:#?}");
        assert_eq!((&nodes[0]["number"], &nodes[0]["questions"]), (&case["number"], &json!([{ "text": "Zinc?" }])));
        let kinds = nodes[0]["timeline"]["nodes"].as_array().expect("a timeline").len();
        assert_eq!(kinds, 5, "{nodes:#?}");
        let hidden = place.world.rpc(who, Some(place.home), "case/v1/get", json!({ "id": other["id"] })).await;
        hidden.refused("NOT_FOUND");
    }
    let answer = json!({ "id": case["id"], "questionId": question["id"], "answer": "Yes" });
    lenas("case/v1/answer", answer.clone()).await.refused("FORBIDDEN");
    let answered = toms("case/v1/answer", answer).await.ok().clone();
    assert_eq!(answered["answeredBy"], tom_id);
    toms("case/v1/addNote", json!({ "id": case["id"], "text": "I am at home on Thursday" })).await.ok();
    toms("case/v1/cancel", json!({ "id": case["id"], "version": 5, "reason": "x" })).await.refused("FORBIDDEN");
    toms("case/v1/answer", json!({ "id": other["id"], "questionId": question["id"], "answer": "x" })).await.refused("NOT_FOUND");
}
