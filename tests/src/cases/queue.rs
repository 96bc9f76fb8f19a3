//! The queue of a desk: all that waits for somebody, over all owners who let it act.

use super::Place;
use crate::harness::{Person, Socket, person, until_or};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

impl Place {
    async fn queue_of(&self, who: &Person, desk: Uuid, filter: Value) -> Vec<(String, String)> {
        let body = json!({ "first": 100, "filter": filter, "orderBy": "CREATED_ASC" });
        let page = self.world.rpc(who, Some(desk), "workItem/v1/list", body).await.ok().clone();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let nodes = page["edges"].as_array().expect("edges").iter();
        nodes.map(|edge| (text(&edge["node"]["kind"]), text(&edge["node"]["state"]))).collect()
    }

    async fn queue(&self) -> Vec<(String, String)> {
        self.queue_of(&self.sam, self.desk, json!({})).await
    }

    async fn counts(&self) -> Value {
        self.counts_of(&self.sam, self.desk).await
    }

    async fn counts_of(&self, who: &Person, desk: Uuid) -> Value {
        let query = "{ workItemCounts(by: [BUCKET, STATE, KIND, OWNER, ASSIGNEE], timeZone: \"America/Phoenix\") { counts { by value count } } }";
        let answer = self.world.gql(who, Some(desk), query, json!({})).await;
        let mut counts = json!({});
        for count in answer.data()["workItemCounts"]["counts"].as_array().expect("counts") {
            let (by, value) = (count["by"].as_str().expect("a measure"), count["value"].as_str().expect("a value"));
            counts[by][value] = count["count"].clone();
        }
        counts
    }
}

fn items(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(kind, state)| ((*kind).to_owned(), (*state).to_owned())).collect()
}

#[tokio::test]
async fn an_item_stands_in_the_queue_as_long_as_somebody_is_waited_for() {
    let place = Place::new().await;
    let wish = place
        .own("intent/v1/submit", json!({ "text": "The tap drips", "wanted": "A dry sink", "propertyId": place.house }))
        .await
        .ok()
        .clone();
    assert_eq!(place.queue().await, items(&[("INTENT", "SUBMITTED")]));
    place
        .desks("intent/v1/classify", json!({ "id": wish["id"], "version": 1, "kind": "REPAIR", "urgency": "URGENT" }))
        .await
        .ok();
    assert_eq!(place.queue().await, items(&[("INTENT", "CLASSIFIED")]));
    let case = place.desks("intent/v1/convertToCase", json!({ "id": wish["id"], "version": 2 })).await.ok().clone();
    assert_eq!(place.queue().await, items(&[("CASE", "NEW")]));
    let id = &case["id"];
    let sue = place.world.principal(&place.sue).await;
    place
        .desks("case/v1/triage", json!({ "id": id, "version": 1, "kind": "REPAIR", "priority": "URGENT", "assigneeId": sue }))
        .await
        .ok();
    place.desks("case/v1/updateStatus", json!({ "id": id, "version": 2, "state": "IN_PROGRESS" })).await.ok();
    let question = place.desks("case/v1/ask", json!({ "id": id, "version": 3, "text": "Chrome?" })).await.ok().clone();
    assert_eq!(place.queue().await, items(&[("CASE", "WAITING_OWNER"), ("QUESTION", "OPEN")]));
    // All of it in one request, with the things themselves, across owners and without naming a grant.
    let query = "{ workItems(filter: { assigned: true }, orderBy: PRIORITY_DESC) { totalCount nodes { kind number title state priority waitingFor
        ownerOrganization { name } assignee { displayName } property { address { line1 } } case { number title actionsAllowed } question { text } intent { id } } } }";
    let shown = place.world.gql(&place.sue, Some(place.desk), query, json!({})).await;
    let nodes = &shown.data()["workItems"]["nodes"];
    assert_eq!(shown.data()["workItems"]["totalCount"], 2);
    let of_question = nodes.as_array().expect("nodes").iter().find(|node| node["kind"] == "QUESTION").expect("a question");
    assert_eq!(
        (&of_question["question"]["text"], &of_question["case"]["title"], &of_question["assignee"]["displayName"]),
        (&json!("Chrome?"), &json!("A dry sink"), &json!("sue")),
        "{nodes:#}"
    );
    assert_eq!(
        (&of_question["waitingFor"], &of_question["property"]["address"]["line1"]),
        (&json!("OWNER"), &json!("1 Palo Verde"))
    );
    // A question follows its case.
    place.desks("case/v1/unassign", json!({ "id": id, "version": 4 })).await.ok();
    assert_eq!(place.queue_of(&place.sam, place.desk, json!({ "assigned": false })).await.len(), 2);
    place.own("case/v1/answer", json!({ "id": id, "questionId": question["id"], "answer": "Yes" })).await.ok();
    assert_eq!(place.queue().await, items(&[("CASE", "IN_PROGRESS")]));
    place.desks("case/v1/resolve", json!({ "id": id, "version": 6, "resolution": "DONE", "summary": "x" })).await.ok();
    assert_eq!(place.queue().await, []);
    place.own("case/v1/reopen", json!({ "id": id, "version": 7, "reason": "x" })).await.ok();
    assert_eq!(place.queue().await, items(&[("CASE", "IN_PROGRESS")]));
}

#[tokio::test]
async fn a_queue_is_counted_by_what_its_desk_sees() {
    let place = Place::new().await;
    let oscar = person("oscar");
    let other = place.world.found(&oscar, "TRUST_OR_LLC").await;
    let through = place.world.engage(&oscar, other, place.desk, "ACT").await["id"].clone();
    for priority in ["LOW", "URGENT"] {
        place.world.call(&oscar, other, "case/v1/create", json!({ "title": "Theirs", "priority": priority })).await.ok();
    }
    let case = place.at_work().await;
    let sam = place.world.principal(&place.sam).await;
    place.desks("case/v1/assign", json!({ "id": case["id"], "version": 3 })).await.ok();
    let counts = place.counts().await;
    assert_eq!(
        (&counts["BUCKET"]["ALL"], &counts["BUCKET"]["MINE"], &counts["BUCKET"]["UNASSIGNED"]),
        (&json!(3), &json!(1), &json!(2))
    );
    assert_eq!(counts["STATE"], json!({ "NEW": 2, "IN_PROGRESS": 1 }));
    assert_eq!(counts["KIND"], json!({ "CASE": 3 }));
    assert_eq!(counts["OWNER"][other.to_string()], 2);
    assert_eq!(counts["ASSIGNEE"][sam.as_str().expect("an id")], 1);
    assert_eq!(counts["BUCKET"]["OVERDUE"], 0);
    place.world.clock.advance(Duration::from_secs(90 * 24 * 3_600));
    assert_eq!(place.counts().await["BUCKET"]["OVERDUE"], 3);
    // By RPC it is the same; another desk, an owner and a stranger count nothing of it.
    let body = json!({ "by": ["BUCKET"] });
    let mut by_rpc = place.world.rpc(&place.sam, Some(place.desk), "workItem/v1/counts", body.clone()).await.ok().clone();
    assert_eq!(by_rpc["counts"][0].take(), json!({ "by": "BUCKET", "value": "ALL", "count": 3 }));
    let own = place.world.rpc(&place.olga, Some(place.home), "workItem/v1/counts", body.clone()).await.ok().clone();
    assert_eq!(own["counts"][0]["count"], 0);
    let wrong = place
        .world
        .rpc(&place.sam, Some(place.desk), "workItem/v1/counts", json!({ "by": ["BUCKET"], "timeZone": "Mars" }))
        .await;
    wrong.refused_at("timeZone", "UNKNOWN_TIME_ZONE");
    // The tables of the numbers are nobody's to read but by the function that knows who asks.
    for table in ["work_item_tally", "work_item_delta", "work_item_owner"] {
        let mut application = place.world.cluster.connect("hestami_app", &place.world.database).await;
        let told = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT FROM {table}"))).fetch_all(&mut application).await;
        assert!(told.is_err_and(|error| error.to_string().contains("permission denied")), "{table}");
    }
    // What is taken back is gone at once, and so is what was narrowed to seeing.
    place.world.call(&oscar, other, "accessGrant/v1/revoke", json!({ "id": through, "version": 2 })).await.ok();
    assert_eq!(place.counts().await["BUCKET"]["ALL"], 1);
    place.own("accessGrant/v1/narrow", json!({ "id": place.grant, "version": 2, "scopes": ["READ"] })).await.ok();
    assert_eq!(place.queue().await, []);
}

#[tokio::test]
async fn two_desks_have_queues_of_their_own_and_terms_end_by_themselves() {
    let place = Place::new().await;
    let (rita, ron) = (person("rita"), person("ron"));
    let rival = place.world.found(&rita, "CONCIERGE_OPERATOR").await;
    place.world.join(&rita, rival, &ron, "CONCIERGE_STAFF").await;
    let before = place.case().await;
    let ends = "2026-10-01T00:00:00Z";
    let grant = json!({ "kind": "ENGAGEMENT", "granteeOrganizationId": rival, "scopes": ["ACT"], "endsAt": ends });
    place.world.engage_by(&place.olga, place.home, grant).await;
    // The first desk holds what came before; what nobody holds is in both queues.
    place.own("case/v1/create", json!({ "title": "Anybody's" })).await.ok();
    place.own("intent/v1/submit", json!({ "text": "A new fence" })).await.ok();
    let rivals = async || place.queue_of(&ron, rival, json!({})).await;
    let mut missing = String::new();
    until_or("the rival's queue", &mut missing, async |missing| {
        let all = rivals().await;
        *missing = format!("{all:?}");
        (all == items(&[("CASE", "NEW"), ("INTENT", "SUBMITTED")])).then_some(())
    })
    .await;
    assert_eq!(place.queue().await.len(), 3);
    let free =
        place.query("{ cases(filter: { search: \"Anybody\" }) { nodes { id } } }", json!({})).await["cases"]["nodes"][0]["id"]
            .clone();
    place.desks("case/v1/triage", json!({ "id": free, "version": 1, "kind": "OTHER", "priority": "LOW" })).await.ok();
    assert_eq!(rivals().await, items(&[("INTENT", "SUBMITTED")]), "the first desk holds it now");
    assert_eq!(before["deskId"], json!(place.desk));
    // The owner hands a case over, and back.
    let hand = async |desk: Uuid| {
        let version = place.read(&before["id"]).await["version"].clone();
        place.own("case/v1/update", json!({ "id": before["id"], "version": version, "deskId": desk })).await.ok()["deskId"]
            .clone()
    };
    assert_eq!(hand(rival).await, json!(rival));
    assert_eq!((rivals().await.len(), place.queue().await.len()), (2, 2));
    let stranger = json!({ "id": before["id"], "version": 2, "deskId": place.home });
    place.own("case/v1/update", stranger).await.refused_at("deskId", "NOT_A_DESK");
    // A rival says nothing of what another desk holds, not even by a link.
    let link = json!({ "id": free, "otherId": before["id"], "kind": "RELATES_TO" });
    place.desks("case/v1/link", link).await.refused("CASE_HELD_BY_ANOTHER");
    hand(place.desk).await;
    // What the first desk holds is the rival's while the first is not let in, and its own again afterwards.
    let counted = async || place.counts_of(&ron, rival).await["BUCKET"]["ALL"].clone();
    let stands = async |many: usize| {
        let mut missing = String::new();
        until_or("the rival's queue", &mut missing, async |missing| {
            let (all, counted) = (rivals().await, counted().await);
            *missing = format!("{all:?}, and {counted} are counted");
            (all.len() == many && counted == many).then_some(())
        })
        .await;
    };
    place.own("accessGrant/v1/revoke", json!({ "id": place.grant, "version": 2 })).await.ok();
    stands(3).await;
    // And so the rival can take it over, and is told so.
    let query = "{ workItems(filter: { kind: [CASE] }, orderBy: CREATED_ASC) { nodes { case { actionsAllowed } } } }";
    let shown = place.world.gql(&ron, Some(rival), query, json!({})).await;
    assert!(shown.data()["workItems"]["nodes"][0]["case"]["actionsAllowed"].to_string().contains("CASE_TRIAGE"), "{shown:?}");
    place.world.engage(&place.olga, place.home, place.desk, "ACT").await;
    assert_eq!(place.queue().await.len(), 3);
    stands(1).await;
    hand(rival).await;
    assert_eq!((rivals().await.len(), place.queue().await.len()), (2, 2));
    place.world.clock.advance(Duration::from_secs(20 * 24 * 3_600));
    assert_eq!((rivals().await, counted().await), (items(&[]), json!(0)), "the term is over");
    // What the rival held waits for the other desk now, in nobody's hands.
    until_or("all of it at the first desk's", &mut String::new(), async |missing| {
        let (all, counts) = (place.queue().await, place.counts().await);
        *missing = format!("{all:?} {counts}");
        (all.len() == 3 && counts["BUCKET"]["ALL"] == 3 && counts["BUCKET"]["UNASSIGNED"] == 3).then_some(())
    })
    .await;
    until_or("the rival's items to go", &mut String::new(), async |missing| {
        let sql =
            "SELECT coalesce(string_agg(concat_ws(' ', w.organization_id, w.kind, w.state, o.seen), ', '), '') FROM work_item w
            LEFT JOIN work_item_owner o USING (organization_id, owner_organization_id) WHERE w.organization_id = $1";
        *missing = sqlx::query_scalar(sql).bind(rival).fetch_one(&place.world.sql).await.expect("items");
        missing.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn owner_and_desk_hear_of_a_case_and_the_desk_of_its_queue() {
    let place = Place::new().await;
    let open = async |who: &Person, organization: Uuid, query: &str| {
        let mut socket = Socket::open(&place.world.app.url(), who, Some(organization), None).await.expect("a connection");
        socket.subscribe("one", query, json!({})).await;
        socket.standing().await;
        socket
    };
    let cases = "subscription { caseChanged { change caseId case { number state } event { kind } } }";
    let mut owner = open(&place.olga, place.home, cases).await;
    let mut desk = open(&place.sam, place.desk, cases).await;
    let items = "subscription { workItemChanged { change workItemId workItem { kind state title } organization { name } } }";
    let mut queue = open(&place.sue, place.desk, items).await;
    let wishes = "subscription { intentChanged { intent { number state } } }";
    let mut wished = open(&place.sam, place.desk, wishes).await;

    place.own("intent/v1/submit", json!({ "text": "A new fence" })).await.ok();
    assert_eq!(wished.next().await["intent"], json!({ "number": "I-1", "state": "SUBMITTED" }));
    assert_eq!(queue.next().await["workItem"], json!({ "kind": "INTENT", "state": "SUBMITTED", "title": "A new fence" }));
    let case = place.case().await;
    let id = case["id"].as_str().expect("an id");
    for socket in [&mut owner, &mut desk] {
        let heard = socket.next().await;
        assert_eq!(
            (&heard["caseId"], &heard["case"]["state"], &heard["event"]["kind"]),
            (&json!(id), &json!("NEW"), &json!("case.created"))
        );
    }
    let item = queue.next().await;
    assert_eq!((&item["change"], &item["workItem"]["state"]), (&json!("CHANGED"), &json!("NEW")));
    // A note is a change of its case; one that the desk keeps for itself is none.
    place.desks("case/v1/addInternalNote", json!({ "id": id, "text": "For us" })).await.ok();
    place.desks("case/v1/addNote", json!({ "id": id, "text": "On Thursday" })).await.ok();
    let heard = owner.next().await;
    assert_eq!((&heard["case"]["number"], &heard["event"]["kind"]), (&json!("C-1"), &json!("case_note.created")));
    let mut kinds = vec![desk.next().await["event"]["kind"].clone()];
    if kinds[0] == "internal_note.created" {
        kinds.push(desk.next().await["event"]["kind"].clone());
    }
    assert_eq!(kinds.last(), Some(&json!("case_note.created")));
    place.own("case/v1/cancel", json!({ "id": id, "version": 1, "reason": "Never mind" })).await.ok();
    let gone = queue.next().await;
    assert_eq!((&gone["change"], &gone["workItemId"], &gone["workItem"]), (&json!("GONE"), &item["workItemId"], &Value::Null));
}
