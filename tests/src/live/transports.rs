//! The transports of subscriptions: each keeps its protocol, and all say the same.

use super::{ALL, PROPERTIES, kinds, note, socket, subscribed};
use crate::harness::{
    Options, Person, Socket, World, person,
    subscriber::{EVENTS, Heard, PARTS, Streaming},
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

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

    let mut cursors = Vec::new();
    // Each change is heard before the next is done, because the thing is told as it is by then.
    let mut told = async |property: &Value, expected: (&str, &str)| {
        let told = socket.next().await;
        assert_eq!(kinds(&told), expected, "{told:#}");
        assert_eq!((&told["propertyId"], &told["organizationId"]), (&property["id"], &json!(home)));
        assert_eq!(told["property"]["address"]["line1"], "1 First Street");
        assert_eq!(events.next().await, told);
        assert_eq!(parts.next().await, told);
        cursors.push(told["cursor"].clone());
    };
    let property = world.create_property(&olga, home, "1 First Street").await;
    told(&property, ("CHANGED", "property.created")).await;
    note(&world, &olga, home, &property, 1, "seen live").await;
    told(&property, ("CHANGED", "property.updated")).await;
    world.call(&olga, home, "property/v1/archive", json!({ "id": property["id"], "version": 2 })).await.ok();
    told(&property, ("ARCHIVED", "property.archived")).await;
    // A cursor from in between goes on over either transport.
    let mut again = subscribed(&world, &olga, home, PROPERTIES, json!({ "after": cursors[0] })).await;
    let mut streamed = Streaming::open(request(), EVENTS, PROPERTIES, json!({ "after": cursors[1] })).await;
    for cursor in &cursors[1..] {
        assert_eq!(&again.next().await["cursor"], cursor);
    }
    assert_eq!(streamed.next().await["cursor"], cursors[2]);

    // Not a byte of it comes to a stranger: the first change that they hear, over each transport, is their own.
    stranger.quiet(Duration::from_millis(300)).await;
    world.create_property(&other, elsewhere, "9 Elsewhere").await;
    let told = stranger.next().await;
    assert_eq!((&told["organizationId"], kinds(&told)), (&json!(elsewhere), ("CHANGED", "property.created")));
    assert_eq!((&strange_events.next().await, &strange_parts.next().await), (&told, &told));
    socket.quiet(Duration::from_millis(300)).await;
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

    // Queries and mutations go over a socket as well; an error is told to the operation that made it.
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
    // A subscription that the client ended is told nothing more.
    for number in 1..100 {
        socket.send(json!({ "id": number.to_string(), "type": "complete" })).await;
    }
    socket.standing().await;
    world.create_property(&olga, home, "2").await;
    assert_eq!(socket.hear().await.message()["id"], "0");
    socket.quiet(Duration::from_millis(200)).await;

    // A subscription over plain HTTP needs a format in which it can be told.
    let plain = world.gql(&olga, Some(home), "subscription { events { cursor } }", json!({})).await;
    assert_eq!((plain.status, plain.gql_code()), (406, "NOT_ACCEPTABLE"));
    let upgrade = world.request(reqwest::Method::GET, "/graphql").header("upgrade", "websocket").send().await.expect("an answer");
    assert_eq!(upgrade.status(), 422);
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
    // A subscription may have fragments at its root.
    let unfolded = "subscription { ...A } fragment A on Subscription { ...B } fragment B on Subscription { ... { events { ...C } } } fragment C on Event { cursor }";
    socket.subscribe("f", unfolded, json!({})).await;
    socket.standing().await;
    world.create_property(&olga, home, "1").await;
    assert!(socket.next().await["cursor"].is_string());
    // A fragment may have the name of a field.
    socket.subscribe("n", "subscription { ...events } fragment events on Subscription { events { cursor } }", json!({})).await;
    socket.standing().await;
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
