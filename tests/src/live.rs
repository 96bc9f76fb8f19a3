//! What happens is told to whoever may see it, at once, in order, and never twice.

use crate::harness::{
    Options, Person, Socket, World, person,
    subscriber::{EVENTS, Heard, PARTS, Streaming},
    until,
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

pub const PROPERTIES: &str =
    "subscription ($after: String, $filter: PropertyChangeFilter) { propertyChanged(after: $after, filter: $filter) {
    cursor change organizationId propertyId property { id notes address { line1 } } event { seq kind fields actorName } } }";
pub const ALL: &str = "subscription ($after: String, $filter: EventFilter) { events(after: $after, filter: $filter) {
    cursor change organizationId resourceKind resourceId node { __typename id } event { seq kind } } }";

async fn real_time() -> World {
    World::with(Options { real_time: true, ..Options::default() }).await
}

async fn socket(world: &World, who: &Person, organization: Uuid) -> Socket {
    Socket::open(&world.app.url(), who, Some(organization), None).await.expect("it opens")
}

async fn subscribed(world: &World, who: &Person, organization: Uuid, query: &str, variables: Value) -> Socket {
    let mut socket = socket(world, who, organization).await;
    socket.subscribe("s", query, variables).await;
    socket.standing().await;
    socket
}

async fn note(world: &World, who: &Person, home: Uuid, property: &Value, version: i32, note: &str) {
    world.call(who, home, "property/v1/update", json!({ "id": property["id"], "version": version, "notes": note })).await.ok();
}

fn kinds(told: &Value) -> (&str, &str) {
    (told["change"].as_str().unwrap_or_default(), told["event"]["kind"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn every_transport_tells_the_same_with_the_thing_as_it_is() {
    let world = World::new().await;
    let (olga, home) = (person("olga"), world.found(&person("olga"), "TRUST_OR_LLC").await);
    let (other, elsewhere) = (person("oscar"), world.found(&person("oscar"), "TRUST_OR_LLC").await);
    let mut socket = subscribed(&world, &olga, home, PROPERTIES, json!({})).await;
    let mut stranger = subscribed(&world, &other, elsewhere, ALL, json!({})).await;
    let request_of = |who: &Person, organization: Uuid| {
        let request = world.request(reqwest::Method::POST, "/graphql").bearer_auth(&who.token);
        request.header("x-organization-id", organization.to_string())
    };
    let request = || request_of(&olga, home);
    let mut strange_events = Streaming::open(request_of(&other, elsewhere), EVENTS, ALL, json!({})).await;
    let mut strange_parts = Streaming::open(request_of(&other, elsewhere), PARTS, ALL, json!({})).await;
    let mut events = Streaming::open(request(), EVENTS, PROPERTIES, json!({})).await;
    let mut parts = Streaming::open(request(), PARTS, PROPERTIES, json!({})).await;

    let property = world.create_property(&olga, home, "1 First Street").await;
    note(&world, &olga, home, &property, 1, "seen live").await;
    world.call(&olga, home, "property/v1/archive", json!({ "id": property["id"], "version": 2 })).await.ok();
    let expected = [("CHANGED", "property.created"), ("CHANGED", "property.updated"), ("ARCHIVED", "property.archived")];
    let mut cursors = Vec::new();
    for expected in expected {
        let told = socket.next().await;
        assert_eq!(kinds(&told), expected, "{told:#}");
        assert_eq!((&told["propertyId"], &told["organizationId"]), (&property["id"], &json!(home)));
        assert_eq!(told["property"]["address"]["line1"], "1 First Street");
        assert_eq!(events.next().await, told);
        assert_eq!(parts.next().await, told);
        cursors.push(told["cursor"].clone());
    }
    // From in between, whichever way.
    let mut again = subscribed(&world, &olga, home, PROPERTIES, json!({ "after": cursors[0] })).await;
    let mut streamed = Streaming::open(request(), EVENTS, PROPERTIES, json!({ "after": cursors[1] })).await;
    for cursor in &cursors[1..] {
        assert_eq!(&again.next().await["cursor"], cursor);
    }
    assert_eq!(streamed.next().await["cursor"], cursors[2]);

    // Not a byte of it to a stranger: the first that they hear, whichever way, is their own.
    stranger.quiet(Duration::from_millis(300)).await;
    world.create_property(&other, elsewhere, "9 Elsewhere").await;
    let told = stranger.next().await;
    assert_eq!((&told["organizationId"], kinds(&told)), (&json!(elsewhere), ("CHANGED", "property.created")));
    assert_eq!((&strange_events.next().await, &strange_parts.next().await), (&told, &told));
    socket.quiet(Duration::from_millis(300)).await;
}

#[tokio::test]
async fn filters_keep_to_what_is_asked() {
    let world = World::new().await;
    let (olga, home) = (person("olga"), world.found(&person("olga"), "TRUST_OR_LLC").await);
    let first = world.create_property(&olga, home, "1").await;
    let second = world.create_property(&olga, home, "2").await;
    let portfolio = world.call(&olga, home, "portfolio/v1/create", json!({ "name": "Rentals" })).await.ok().clone();
    let mut inside = subscribed(&world, &olga, home, PROPERTIES, json!({ "filter": { "portfolioId": portfolio["id"] } })).await;
    let mut updates = subscribed(&world, &olga, home, PROPERTIES, json!({ "filter": { "kinds": ["property.updated"] } })).await;
    let mut one = subscribed(&world, &olga, home, PROPERTIES, json!({ "filter": { "propertyIds": [second["id"]] } })).await;
    let portfolios = "subscription { portfolioChanged { change portfolio { name } event { kind } } }";
    let mut grouped = subscribed(&world, &olga, home, portfolios, json!({})).await;
    let about = json!({ "filter": { "resourceKinds": ["portfolio"] } });
    let mut about_portfolios = subscribed(&world, &olga, home, ALL, about).await;

    note(&world, &olga, home, &first, 1, "outside").await;
    let move_in = json!({ "id": portfolio["id"], "propertyId": first["id"] });
    world.call(&olga, home, "portfolio/v1/addProperty", move_in.clone()).await.ok();
    note(&world, &olga, home, &first, 2, "inside").await;
    world.call(&olga, home, "portfolio/v1/removeProperty", move_in).await.ok();
    note(&world, &olga, home, &second, 1, "second").await;

    for expected in
        [("CHANGED", "portfolio.property_added"), ("CHANGED", "property.updated"), ("GONE", "portfolio.property_removed")]
    {
        let told = inside.next().await;
        assert_eq!((kinds(&told), &told["propertyId"]), (expected, &first["id"]), "{told:#}");
    }
    for about in [&first, &first, &second] {
        // The thing as it is now, which may be later than the event.
        let told = updates.next().await;
        assert_eq!((kinds(&told).1, &told["propertyId"]), ("property.updated", &about["id"]));
    }
    assert_eq!(one.next().await["property"]["notes"], "second");
    for expected in ["portfolio.property_added", "portfolio.property_removed"] {
        let told = grouped.next().await;
        assert_eq!((&told["event"]["kind"], &told["portfolio"]["name"]), (&json!(expected), &json!("Rentals")));
        assert_eq!(about_portfolios.next().await["resourceKind"], "portfolio");
    }
}

/// Olga's, whom Dana's desk looks after; Sam works there.
struct Scene {
    world: World,
    olga: Person,
    sam: Person,
    dana: Person,
    home: Uuid,
    desk: Uuid,
    grant: Value,
}

async fn scene(world: World) -> Scene {
    let (olga, dana, sam) = (person("olga"), person("dana"), person("sam"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let desk = world.found(&dana, "CONCIERGE_OPERATOR").await;
    world.join(&dana, desk, &sam, "CONCIERGE_STAFF").await;
    let grant = world.engage(&olga, home, desk, "ACT").await;
    Scene { world, olga, sam, dana, home, desk, grant }
}

/// Until this one comes.
async fn heard(socket: &mut Socket, change: &str, of: Uuid) -> Value {
    loop {
        let told = socket.next().await;
        if told["change"] == change && told["organizationId"] == json!(of) {
            return told;
        }
    }
}

#[tokio::test]
async fn a_desk_is_told_of_all_whom_it_looks_after_until_they_take_it_back() {
    let Scene { world, olga, sam, home, desk, grant, .. } = scene(World::new().await).await;
    let oscar = person("oscar");
    let other = world.found(&oscar, "INDIVIDUAL_PROPERTY_OWNER").await;
    let mut desk_hears = subscribed(&world, &sam, desk, ALL, json!({})).await;
    let mut by_grant = Socket::open(&world.app.url(), &sam, Some(desk), Some(&grant["id"])).await.expect("it opens");
    by_grant.subscribe("s", PROPERTIES, json!({})).await;
    by_grant.standing().await;

    world.engage(&oscar, other, desk, "READ").await;
    heard(&mut desk_hears, "SCOPE_GAINED", other).await;
    let house = world.create_property(&olga, home, "1 First Street").await;
    world.create_property(&oscar, other, "9 Elsewhere").await;
    let told = heard(&mut desk_hears, "CHANGED", home).await;
    assert_eq!((&told["resourceId"], &told["node"]["__typename"]), (&house["id"], &json!("Property")));
    heard(&mut desk_hears, "CHANGED", other).await;
    assert_eq!(by_grant.next().await["propertyId"], house["id"]);

    let ended = world.call(&olga, home, "accessGrant/v1/revoke", json!({ "id": grant["id"], "version": 1 })).await;
    ended.ok();
    let lost = heard(&mut desk_hears, "SCOPE_LOST", home).await;
    assert_eq!(
        (&lost["resourceKind"], &lost["resourceId"], &lost["node"], &lost["event"]),
        (&Value::Null, &Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(by_grant.ends().await.0, "AUTHORITY_LOST");
    // Not a byte of it any more; of the other one, still.
    world.create_property(&olga, home, "2 Hidden").await;
    world.create_property(&oscar, other, "8 Elsewhere").await;
    assert_eq!(desk_hears.next().await["organizationId"], json!(other));
    // Let in again, it is to read all of it anew.
    world.engage(&olga, home, desk, "READ").await;
    heard(&mut desk_hears, "SCOPE_GAINED", home).await;
    world.create_property(&olga, home, "3 Third").await;
    heard(&mut desk_hears, "CHANGED", home).await;
}

#[tokio::test]
async fn a_grant_that_ends_by_time_is_told_within_a_second_or_two() {
    let Scene { world, olga, sam, home, desk, grant, .. } = scene(real_time().await).await;
    let mut desk_hears = subscribed(&world, &sam, desk, ALL, json!({})).await;
    let ends = (chrono::DateTime::from_timestamp_millis(
        i64::try_from(std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis()).expect("a time") + 1_500,
    ))
    .expect("a time");
    let narrowed = json!({ "id": grant["id"], "version": 1, "endsAt": ends.to_rfc3339() });
    world.call(&olga, home, "accessGrant/v1/narrow", narrowed).await.ok();
    heard(&mut desk_hears, "SCOPE_LOST", home).await;
    let late =
        std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis().cast_signed() - i128::from(ends.timestamp_millis());
    assert!((0..3_000).contains(&late), "{late} ms after its end");
    world.create_property(&olga, home, "2 Hidden").await;
    desk_hears.quiet(Duration::from_millis(500)).await;
}

#[tokio::test]
async fn whoever_loses_the_right_hears_the_end_and_nothing_after() {
    let Scene { world, olga, sam, dana, home, desk, .. } = scene(World::new().await).await;
    let tom = person("tom");
    let trustee = world.join(&olga, home, &tom, "TRUSTEE").await;
    let mut theirs = subscribed(&world, &tom, home, ALL, json!({})).await;
    let mut owners = subscribed(&world, &olga, home, ALL, json!({})).await;
    let mut staff = subscribed(&world, &sam, desk, ALL, json!({})).await;
    let began = std::time::Instant::now();
    world.call(&olga, home, "membership/v1/revoke", json!({ "id": trustee["id"], "version": trustee["version"] })).await.ok();
    assert_eq!(theirs.ends().await.0, "AUTHORITY_LOST");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    world.create_property(&olga, home, "2 Hidden").await;
    theirs.quiet(Duration::from_millis(300)).await;
    // The owner's goes on.
    assert_eq!(owners.next().await["event"]["kind"], "membership.revoked");
    assert_eq!(owners.next().await["event"]["kind"], "property.created");
    // More rights are other rights as well: what came into sight was not told.
    heard(&mut staff, "CHANGED", home).await;
    world.join(&dana, desk, &sam, "ADMINISTRATOR").await;
    let (mut code, mut details) = (String::new(), Value::Null);
    while code.is_empty() {
        let message = staff.hear().await.message();
        if message["type"] == "error" {
            code = message["payload"][0]["extensions"]["code"].as_str().unwrap_or_default().to_owned();
            details = message["payload"][0]["extensions"]["details"].clone();
        }
    }
    assert_eq!((code.as_str(), &details["reason"]), ("CURSOR_EXPIRED", &json!("SCOPE_CHANGED")));
}

#[tokio::test]
async fn rights_that_end_by_time_and_tokens_that_expire_end_the_stream() {
    let world = real_time().await;
    let (olga, tom) = (person("olga"), person("tom"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let trustee = world.join(&olga, home, &tom, "TRUSTEE").await;
    let mut theirs = subscribed(&world, &tom, home, ALL, json!({})).await;
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
    let ends = chrono::DateTime::from_timestamp_millis(i64::try_from(now.as_millis()).expect("a time") + 1_500).expect("a time");
    // The timer that closes the membership looks in its own time; the stream does not wait for it.
    sqlx::query("UPDATE membership SET ends_at = $1 WHERE id = $2::uuid")
        .bind(ends)
        .bind(trustee["id"].as_str())
        .execute(&world.sql)
        .await
        .expect("a term");
    world.create_property(&olga, home, "1").await;
    theirs.next().await;
    let mut fresh = subscribed(&world, &tom, home, ALL, json!({})).await;
    assert_eq!(fresh.ends().await.0, "AUTHORITY_LOST");

    // The leeway of tokens is half a minute.
    let exp = i64::try_from(now.as_secs()).expect("a time") - 30 + 3;
    let short = Person { token: olga.signed(|claims| claims["exp"] = exp.into()), ..olga.clone() };
    let mut socket = Socket::open(&world.app.url(), &short, Some(home), None).await.expect("it opens");
    socket.subscribe("s", ALL, json!({})).await;
    let over = Heard::Closed(4403, "TOKEN_EXPIRED".into());
    let last = loop {
        match socket.hear().await {
            Heard::Message(message) => assert_eq!(message["type"], "next"),
            last => break last,
        }
    };
    assert_eq!(last, over);
    assert_eq!(Socket::open(&world.app.url(), &short, Some(home), None).await.err(), Some(over));
}

#[tokio::test]
async fn a_delegate_is_told_of_what_was_delegated_and_no_more() {
    let world = World::new().await;
    let (olga, lena) = (person("olga"), person("lena"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let hers = world.create_property(&olga, home, "1 Hers").await;
    let hidden = world.create_property(&olga, home, "2 Hidden").await;
    let portfolio = world.call(&olga, home, "portfolio/v1/create", json!({ "name": "Hers" })).await.ok().clone();
    let add = |property: &Value| json!({ "id": portfolio["id"], "propertyId": property["id"] });
    world.call(&olga, home, "portfolio/v1/addProperty", add(&hers)).await.ok();
    let holder = world.principal(&lena).await;
    let what = json!({ "holderId": holder, "actions": ["READ"], "portfolioIds": [portfolio["id"]] });
    let delegation = world.call(&olga, home, "delegation/v1/grant", what).await.ok().clone();
    let mut theirs = subscribed(&world, &lena, home, ALL, json!({})).await;
    note(&world, &olga, home, &hidden, 1, "nobody's business").await;
    note(&world, &olga, home, &hers, 1, "hers").await;
    let told = theirs.next().await;
    assert_eq!((&told["resourceId"], kinds(&told)), (&hers["id"], ("CHANGED", "property.updated")));
    let cursor = told["cursor"].clone();
    // What comes into the portfolio comes into her sight: she is to read anew.
    world.call(&olga, home, "portfolio/v1/addProperty", add(&hidden)).await.ok();
    let (code, details) = theirs.ends().await;
    assert_eq!((code.as_str(), &details["reason"]), ("CURSOR_EXPIRED", &json!("SCOPE_CHANGED")));
    let refused = world.rpc(&lena, Some(home), "change/v1/list", json!({ "after": cursor })).await;
    refused.refused("CURSOR_EXPIRED");
    let mut theirs = subscribed(&world, &lena, home, ALL, json!({})).await;
    note(&world, &olga, home, &hidden, 2, "hers too").await;
    assert_eq!(theirs.next().await["resourceId"], hidden["id"]);
    world.call(&olga, home, "delegation/v1/revoke", json!({ "id": delegation["id"], "version": 1 })).await.ok();
    assert_eq!(theirs.ends().await.0, "AUTHORITY_LOST");
}

#[tokio::test]
async fn an_operation_is_followed_to_its_end() {
    let gate = crate::harness::Gate::at(schema::Boundary::AfterClaim);
    let world = World::new().await;
    let (olga, oscar) = (person("olga"), person("oscar"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let elsewhere = world.found(&oscar, "TRUST_OR_LLC").await;
    // On another replica than the one that is asked.
    let held = world.replica(Options { faults: gate.clone(), ..Options::default() }).await;
    let mut body = World::property("1");
    body["idempotencyKey"] = world.key().to_string().into();
    let held_url = held.url();
    let create = world.rpc_at(&held_url, &olga, Some(home), "property/v1/create", body);
    let follow = async {
        let id: Uuid = until("the operation", async || {
            let sql = "SELECT id FROM operation WHERE procedure = 'property/v1/create'";
            sqlx::query_scalar(sql).fetch_optional(&world.sql).await.expect("rows")
        })
        .await;
        let query = "subscription ($id: ID!) { operationChanged(id: $id) { id state } }";
        let mut socket = socket(&world, &olga, home).await;
        socket.subscribe("s", query, json!({ "id": id })).await;
        assert_eq!(socket.next().await, json!({ "id": id, "state": "RUNNING" }));
        // Another organization's is not there.
        let mut stranger = self::socket(&world, &oscar, elsewhere).await;
        stranger.subscribe("s", query, json!({ "id": id })).await;
        assert_eq!(stranger.ends().await.0, "NOT_FOUND");
        gate.open();
        assert_eq!(socket.next().await, json!({ "id": id, "state": "COMPLETED" }));
        assert_eq!(socket.hear().await, Heard::Message(json!({ "id": "s", "type": "complete" })));
        socket.subscribe("t", query, json!({ "id": id })).await;
        assert_eq!(socket.next().await["state"], "COMPLETED");
        assert_eq!(socket.hear().await.message()["type"], "complete");
    };
    let (created, ()) = tokio::join!(create, follow);
    created.ok();
}

#[tokio::test]
async fn the_protocol_is_kept() {
    let world = World::new().await;
    let (olga, home) = (person("olga"), world.found(&person("olga"), "TRUST_OR_LLC").await);
    let url = world.app.url();
    let closed = async |messages: Vec<Value>| {
        let mut socket = Socket::raw(&url).await;
        for message in messages {
            socket.send(message).await;
        }
        loop {
            match socket.hear().await {
                Heard::Closed(code, reason) => return (code, reason),
                Heard::Message(_) => {}
                Heard::Cut => panic!("no reason"),
            }
        }
    };
    let init = json!({ "type": "connection_init", "payload": { "authorization": format!("Bearer {}", olga.token), "organizationId": home } });
    let subscribe = json!({ "id": "a", "type": "subscribe", "payload": { "query": "subscription { events { cursor } }" } });
    assert_eq!(closed(vec![subscribe.clone()]).await.0, 4401);
    assert_eq!(closed(vec![init.clone(), init.clone()]).await.0, 4429);
    assert_eq!(closed(vec![init.clone(), subscribe.clone(), subscribe.clone()]).await.0, 4409);
    for odd in [json!({}), json!([]), json!({ "type": "shout" }), json!({ "type": "subscribe", "id": "", "payload": {} })] {
        assert_eq!(closed(vec![init.clone(), odd]).await.0, 4400);
    }
    let refused = |payload: Value| closed(vec![json!({ "type": "connection_init", "payload": payload })]);
    assert_eq!(refused(json!({})).await, (4403, "AUTHENTICATION_REQUIRED".into()));
    assert_eq!(refused(json!({ "authorization": "Bearer x" })).await, (4403, "TOKEN_INVALID".into()));
    assert_eq!(refused(json!({ "authorization": 7 })).await.0, 4400);
    let mut socket = Socket::raw(&url).await;
    socket.send_raw(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(socket.hear().await, Heard::Closed(4400, "Invalid message received".into()));

    // Queries and mutations go over it as well; what is wrong is said to the one that asked.
    let mut socket = self::socket(&world, &olga, home).await;
    socket.send(json!({ "type": "ping" })).await;
    assert_eq!(socket.hear().await, Heard::Message(json!({ "type": "pong" })));
    let create =
        "mutation ($key: UUID!) { propertyCreate(idempotencyKey: $key, input: { kind: LAND, timeZone: \"America/Phoenix\",
        address: { line1: \"1\", locality: \"Tucson\", country: \"US\" } }) { result { address { line1 } } } }";
    socket.subscribe("m", create, json!({ "key": world.key() })).await;
    assert_eq!(socket.next().await["result"]["address"]["line1"], "1");
    assert_eq!(socket.hear().await.message(), json!({ "id": "m", "type": "complete" }));
    let mut code = async |query: &str, variables: Value| {
        socket.subscribe("q", query, variables).await;
        socket.ends().await.0
    };
    assert_eq!(code("{ nothing }", json!({})).await, "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(code("subscription {", json!({})).await, "GRAPHQL_PARSE_FAILED");
    assert_eq!(
        code("subscription { events { cursor } propertyChanged { cursor } }", json!({})).await,
        "GRAPHQL_VALIDATION_FAILED"
    );
    assert_eq!(code("subscription { __typename }", json!({})).await, "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(code(ALL, json!({ "after": "x" })).await, "INVALID_CURSOR");
    assert_eq!(code(ALL, json!({ "filter": { "kinds": [] } })).await, "INVALID_INPUT");
    assert_eq!(code("subscription { events(filter: 7) { cursor } }", json!({})).await, "INVALID_INPUT");
    for number in 0..101 {
        socket.subscribe(&number.to_string(), "subscription { events { cursor } }", json!({})).await;
    }
    assert_eq!(socket.ends().await.0, "TOO_MANY_SUBSCRIPTIONS");
    // Ended by the client, nothing more is told.
    for number in 1..100 {
        socket.send(json!({ "id": number.to_string(), "type": "complete" })).await;
    }
    socket.standing().await;
    world.create_property(&olga, home, "2").await;
    assert_eq!(socket.hear().await.message()["id"], "0");
    socket.quiet(Duration::from_millis(200)).await;

    // Over plain HTTP a subscription needs a way to be told.
    let plain = world.gql(&olga, Some(home), "subscription { events { cursor } }", json!({})).await;
    assert_eq!((plain.status, plain.gql_code()), (406, "NOT_ACCEPTABLE"));
    let upgrade = world.request(reqwest::Method::GET, "/graphql").header("upgrade", "websocket").send().await.expect("an answer");
    assert_eq!(upgrade.status(), 422);
}

#[tokio::test]
async fn a_slow_reader_is_sent_away_with_its_place_and_misses_nothing() {
    let world = World::with(Options { kept: 20, ..Options::default() }).await;
    let (olga, home) = (person("olga"), world.found(&person("olga"), "TRUST_OR_LLC").await);
    let long = "x".repeat(3_900);
    let property = world.create_property(&olga, home, "1").await;
    // As much as it takes to fill what lies between.
    let fields: String = (0..45).map(|n| format!("n{n}: notes ")).collect();
    let query = format!(
        "subscription ($after: String) {{ propertyChanged(after: $after) {{ cursor property {{ {fields} }} event {{ seq }} }} }}"
    );
    let mut slow = subscribed(&world, &olga, home, &query, json!({})).await;
    for version in 1..=80 {
        note(&world, &olga, home, &property, version, &format!("{version}{long}")).await;
    }
    let (mut seqs, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let message = slow.hear().await.message();
        if message["type"] == "error" {
            let extensions = &message["payload"][0]["extensions"];
            assert_eq!(extensions["code"], "SLOW_READER");
            assert_eq!(extensions["details"]["cursor"], cursor);
            break;
        }
        let told = &message["payload"]["data"]["propertyChanged"];
        seqs.push(told["event"]["seq"].as_i64().expect("a number"));
        cursor = told["cursor"].clone();
        assert!(seqs.len() < 80, "it was never slow");
    }
    let mut again = subscribed(&world, &olga, home, &query, json!({ "after": cursor })).await;
    while seqs.last() != Some(&82) {
        seqs.push(again.next().await["event"]["seq"].as_i64().expect("a number"));
    }
    assert_eq!(seqs, (3..=82).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stop_lets_everyone_go_with_a_word_that_means_come_back() {
    let world = World::new().await;
    let (olga, home) = (person("olga"), world.found(&person("olga"), "TRUST_OR_LLC").await);
    let replica = world.replica(Options::default()).await;
    let mut socket = Socket::open(&replica.url(), &olga, Some(home), None).await.expect("it opens");
    socket.subscribe("s", ALL, json!({})).await;
    socket.standing().await;
    let request = || {
        let request = world.client().post(format!("{}/graphql", replica.url())).bearer_auth(&olga.token);
        request.header("x-organization-id", home.to_string())
    };
    let mut events = Streaming::open(request(), EVENTS, ALL, json!({})).await;
    let mut parts = Streaming::open(request(), PARTS, ALL, json!({})).await;
    world.create_property(&olga, home, "1").await;
    let told = socket.next().await;
    assert_eq!((&events.next().await, &parts.next().await), (&told, &told));
    let began = std::time::Instant::now();
    replica.stop(Duration::from_secs(10)).await;
    assert!(began.elapsed() < Duration::from_secs(8), "the stop waited for those who listen: {:?}", began.elapsed());
    assert_eq!(socket.hear().await, Heard::Closed(1012, "SHUTTING_DOWN".into()));
    for streaming in [&mut events, &mut parts] {
        let last = streaming.hear().await.expect("a word");
        assert_eq!(last["errors"][0]["extensions"]["code"], "SHUTTING_DOWN", "{last:#}");
        assert_eq!(last["errors"][0]["extensions"]["details"]["cursor"], told["cursor"]);
        assert_eq!(streaming.hear().await, None, "no proper end");
    }
    // Another replica goes on from there.
    world.create_property(&olga, home, "2").await;
    let mut again = subscribed(&world, &olga, home, ALL, json!({ "after": told["cursor"] })).await;
    assert_eq!(again.next().await["event"]["seq"], json!(3));
}

#[tokio::test]
async fn a_grant_is_no_use_to_who_left_the_desk() {
    let Scene { world, olga, sam, dana, home, desk, grant } = scene(World::new().await).await;
    let mut by_grant = Socket::open(&world.app.url(), &sam, Some(desk), Some(&grant["id"])).await.expect("it opens");
    by_grant.subscribe("s", PROPERTIES, json!({})).await;
    by_grant.standing().await;
    let request = world.request(reqwest::Method::POST, "/graphql").bearer_auth(&sam.token);
    let request =
        request.header("x-organization-id", desk.to_string()).header("x-grant-id", grant["id"].as_str().expect("an id"));
    let mut events = Streaming::open(request, EVENTS, PROPERTIES, json!({})).await;
    let (id, version): (Uuid, i32) = sqlx::query_as("SELECT id, version FROM membership WHERE role = 'CONCIERGE_STAFF'")
        .fetch_one(&world.sql)
        .await
        .expect("Sam's");
    world.call(&dana, desk, "membership/v1/revoke", json!({ "id": id, "version": version })).await.ok();
    assert_eq!(by_grant.ends().await.0, "AUTHORITY_LOST");
    let last = events.hear().await.expect("a word");
    assert_eq!(last["errors"][0]["extensions"]["code"], "AUTHORITY_LOST", "{last:#}");
    assert_ne!(last["errors"][0]["extensions"]["trace_id"], "0".repeat(32));
    world.create_property(&olga, home, "2 Hidden").await;
    by_grant.quiet(Duration::from_millis(200)).await;
}

#[tokio::test]
async fn a_desk_hears_nothing_of_its_rivals_nor_of_the_owners_own_affairs() {
    let Scene { world, olga, sam, home, desk, .. } = scene(World::new().await).await;
    let (rita, tom, lena) = (person("rita"), person("tom"), person("lena"));
    let rival = world.found(&rita, "CONCIERGE_OPERATOR").await;
    until("the relay to know of it", async || {
        (world.count("SELECT count(*) FROM feed_scope s JOIN org_head h ON h.organization_id = s.source_organization_id WHERE s.relayed_seq = h.event_seq").await == 3).then_some(())
    })
    .await;
    let mut desk_hears = subscribed(&world, &sam, desk, ALL, json!({})).await;
    let cursor = world.rpc(&sam, Some(desk), "change/v1/list", json!({})).await.ok()["cursor"].clone();
    let house = world.create_property(&olga, home, "1").await;
    world.engage(&olga, home, rival, "READ").await;
    world.join(&olga, home, &tom, "TRUSTEE").await;
    let holder = world.principal(&lena).await;
    let what = json!({ "holderId": holder, "actions": ["READ"], "propertyIds": [house["id"]] });
    world.call(&olga, home, "delegation/v1/grant", what).await.ok();
    let mut trustees = subscribed(&world, &tom, home, ALL, json!({})).await;
    note(&world, &olga, home, &house, 1, "told").await;
    for kind in ["property.created", "property.updated"] {
        let told = desk_hears.next().await;
        assert_eq!(told["event"]["kind"], kind, "{told:#}");
    }
    // Nor does a member hear of what members may not see.
    let kind = trustees.next().await["resourceKind"].clone();
    assert_eq!(kind, "property");
    let page = world.rpc(&sam, Some(desk), "change/v1/list", json!({ "after": cursor })).await;
    let kinds: Vec<&Value> = page.ok()["items"].as_array().into_iter().flatten().map(|item| &item["kind"]).collect();
    assert_eq!(kinds, ["property"]);
}

/// So much that what lies between is soon full.
fn wide(alias: &str) -> String {
    let fields: String = (0..45).map(|n| format!("n{n}: notes ")).collect();
    format!("subscription {{ {alias}: propertyChanged {{ cursor property {{ {fields} }} event {{ seq }} }} }}")
}

#[tokio::test]
async fn whoever_does_not_read_keeps_nobody_waiting_and_reads_nothing_that_was_written_after_the_right_was_gone() {
    let world = World::new().await;
    let (olga, tom, ines) = (person("olga"), person("tom"), person("ines"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let elsewhere = world.found(&ines, "TRUST_OR_LLC").await;
    let trustee = world.join(&olga, home, &tom, "TRUSTEE").await;
    let property = world.create_property(&olga, home, "1").await;
    // Many at once, as many as fill the pool several times, and never read.
    let mut stuck = socket(&world, &tom, home).await;
    for number in 0..30 {
        stuck.subscribe(&number.to_string(), &wide(&format!("a{number}")), json!({})).await;
    }
    stuck.standing().await;
    let mut reads = subscribed(&world, &olga, home, &wide("a7"), json!({})).await;
    let long = "x".repeat(3_900);
    for version in 1..=12 {
        note(&world, &olga, home, &property, version, &format!("{version}{long}")).await;
        // Whoever asks for the same is told, and others are answered.
        let began = std::time::Instant::now();
        reads.next().await;
        world.gql(&ines, Some(elsewhere), "{ properties { totalCount } }", json!({})).await.data();
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
    world.call(&olga, home, "membership/v1/revoke", json!({ "id": trustee["id"], "version": trustee["version"] })).await.ok();
    note(&world, &olga, home, &property, 13, &format!("SECRET{long}")).await;
    reads.next().await;
    let mut ended = 0;
    while ended < 30 {
        let message = stuck.hear().await.message();
        assert!(!message.to_string().contains("SECRET"));
        if message["type"] == "error" {
            assert_eq!(message["payload"][0]["extensions"]["code"], "AUTHORITY_LOST", "{message:#}");
            ended += 1;
        }
    }
}

#[tokio::test]
async fn what_is_refused_is_said_the_way_it_is_read() {
    let world = World::new().await;
    let (olga, home) = (person("olga"), world.found(&person("olga"), "TRUST_OR_LLC").await);
    let cursor = world.rpc(&olga, Some(home), "change/v1/list", json!({})).await.ok()["cursor"].clone();
    let cursor = cursor.as_str().expect("a cursor");
    let last = format!("{}{:016x}{}", &cursor[..33], i64::MAX, &cursor[49..]);
    let ahead = format!("{}{:016x}{}", &cursor[..33], 99, &cursor[49..]);
    for (after, code) in [("x", "INVALID_CURSOR"), (last.as_str(), "INVALID_CURSOR"), (ahead.as_str(), "CURSOR_EXPIRED")] {
        let request = world.request(reqwest::Method::POST, "/graphql").bearer_auth(&olga.token);
        let request = request.header("x-organization-id", home.to_string()).header("accept", EVENTS);
        let body = json!({ "query": ALL, "variables": { "after": after } });
        let answer = request.json(&body).send().await.expect("an answer");
        assert_eq!(answer.headers()["content-type"], "text/event-stream; charset=utf-8");
        let text = answer.text().await.expect("text");
        assert!(text.contains(code) && text.ends_with("event: complete\ndata:\n\n"), "{text}");
        let mut socket = socket(&world, &olga, home).await;
        socket.subscribe("s", ALL, json!({ "after": after })).await;
        assert_eq!(socket.ends().await.0, code);
    }
    let mut socket = socket(&world, &olga, home).await;
    socket.subscribe("s", "subscription ($skip: Boolean!) { events @skip(if: $skip) { cursor } }", json!({})).await;
    assert_eq!(socket.ends().await.0, "GRAPHQL_VALIDATION_FAILED");
    // Fragments at the root are a subscription's as well.
    let unfolded = "subscription { ...A } fragment A on Subscription { ...B } fragment B on Subscription { ... { events { ...C } } } fragment C on Event { cursor }";
    socket.subscribe("f", unfolded, json!({})).await;
    socket.standing().await;
    world.create_property(&olga, home, "1").await;
    assert!(socket.next().await["cursor"].is_string());
    for circle in [
        "subscription { ...A } fragment A on Subscription { ...A }",
        "subscription { ...A } fragment A on Query { viewer { id } }",
    ] {
        socket.subscribe("c", circle, json!({})).await;
        assert_eq!(socket.ends().await.0, "GRAPHQL_VALIDATION_FAILED", "{circle}");
    }
    // A close with a long reason is a frame all the same.
    let long = "é".repeat(120);
    for _ in 0..2 {
        socket.subscribe(&long, "subscription { events { cursor } }", json!({})).await;
    }
    assert!(matches!(socket.hear().await, Heard::Closed(4409, _)));
}
