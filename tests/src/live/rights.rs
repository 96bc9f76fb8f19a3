//! The rights of subscribers: who is told, and until when.

use super::{ALL, PROPERTIES, kinds, note, subscribed};
use crate::harness::{
    Options, Person, Socket, World, person,
    subscriber::{EVENTS, Heard, Streaming},
    until,
};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

async fn real_time() -> World {
    World::with(Options { real_time: true, ..Options::default() }).await
}

/// Olga's organization, which Dana's desk looks after; Sam works at the desk.
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

/// Hears until this change of this organization comes.
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

    let ended = world.call(&olga, home, "accessGrant/v1/revoke", json!({ "id": grant["id"], "version": 2 })).await;
    ended.ok();
    let lost = heard(&mut desk_hears, "SCOPE_LOST", home).await;
    assert_eq!(
        (&lost["resourceKind"], &lost["resourceId"], &lost["node"], &lost["event"]),
        (&Value::Null, &Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(by_grant.ends().await.0, "AUTHORITY_LOST");
    // Not a byte of the first owner comes any more; the other owner's changes still do.
    world.create_property(&olga, home, "2 Hidden").await;
    world.create_property(&oscar, other, "8 Elsewhere").await;
    assert_eq!(desk_hears.next().await["organizationId"], json!(other));
    // A desk that is let in again is to read all of the owner anew.
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
    let narrowed = json!({ "id": grant["id"], "version": 2, "endsAt": ends.to_rfc3339() });
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
    // The owner's subscription goes on.
    assert_eq!(owners.next().await["event"]["kind"], "membership.revoked");
    assert_eq!(owners.next().await["event"]["kind"], "property.created");
    // More rights are other rights as well: no entry told of the things that came into sight.
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
    let delegation = world.delegate(&olga, home, what).await;
    let mut theirs = subscribed(&world, &lena, home, ALL, json!({})).await;
    note(&world, &olga, home, &hidden, 1, "nobody's business").await;
    note(&world, &olga, home, &hers, 1, "hers").await;
    let told = theirs.next().await;
    assert_eq!((&told["resourceId"], kinds(&told)), (&hers["id"], ("CHANGED", "property.updated")));
    let cursor = told["cursor"].clone();
    // A house that comes into the portfolio comes into her sight: she is to read anew.
    world.call(&olga, home, "portfolio/v1/addProperty", add(&hidden)).await.ok();
    let (code, details) = theirs.ends().await;
    assert_eq!((code.as_str(), &details["reason"]), ("CURSOR_EXPIRED", &json!("SCOPE_CHANGED")));
    let refused = world.rpc(&lena, Some(home), "change/v1/list", json!({ "after": cursor })).await;
    refused.refused("CURSOR_EXPIRED");
    let mut theirs = subscribed(&world, &lena, home, ALL, json!({})).await;
    note(&world, &olga, home, &hidden, 2, "hers too").await;
    assert_eq!(theirs.next().await["resourceId"], hidden["id"]);
    world.call(&olga, home, "delegation/v1/revoke", json!({ "id": delegation["id"], "version": 2 })).await.ok();
    assert_eq!(theirs.ends().await.0, "AUTHORITY_LOST");
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
    world.delegate(&olga, home, what).await;
    let mut trustees = subscribed(&world, &tom, home, ALL, json!({})).await;
    note(&world, &olga, home, &house, 1, "told").await;
    for kind in ["property.created", "property.updated"] {
        let told = desk_hears.next().await;
        assert_eq!(told["event"]["kind"], kind, "{told:#}");
    }
    // A member does not hear either of things that members may not see.
    let kind = trustees.next().await["resourceKind"].clone();
    assert_eq!(kind, "property");
    let page = world.rpc(&sam, Some(desk), "change/v1/list", json!({ "after": cursor })).await;
    let kinds: Vec<&Value> = page.ok()["items"].as_array().into_iter().flatten().map(|item| &item["kind"]).collect();
    assert_eq!(kinds, ["property"]);
}

#[tokio::test]
async fn a_delegate_learns_nothing_of_a_portfolio_by_asking_for_it() {
    let world = World::new().await;
    let (olga, lena) = (person("olga"), person("lena"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let hers = world.create_property(&olga, home, "1 Hers").await;
    let secret = world.call(&olga, home, "portfolio/v1/create", json!({ "name": "To be sold" })).await.ok().clone();
    let shown = world.call(&olga, home, "portfolio/v1/create", json!({ "name": "Shown" })).await.ok().clone();
    for portfolio in [&secret, &shown] {
        let add = json!({ "id": portfolio["id"], "propertyId": hers["id"] });
        world.call(&olga, home, "portfolio/v1/addProperty", add).await.ok();
    }
    let holder = world.principal(&lena).await;
    // Lena is delegated the house by itself, and one of the portfolios that the house is in.
    let house = json!({ "holderId": holder, "actions": ["READ"], "propertyIds": [hers["id"]] });
    world.delegate(&olga, home, house).await;
    let group = json!({ "holderId": holder, "actions": ["READ"], "portfolioIds": [shown["id"]] });
    world.delegate(&olga, home, group).await;
    let within = |portfolio: &Value| json!({ "filter": { "portfolioId": portfolio["id"] } });
    let mut guesses = [
        subscribed(&world, &lena, home, PROPERTIES, within(&secret)).await,
        subscribed(&world, &lena, home, ALL, within(&secret)).await,
    ];
    let mut theirs = subscribed(&world, &lena, home, PROPERTIES, within(&shown)).await;
    note(&world, &olga, home, &hers, 1, "told to whom it may concern").await;
    assert_eq!(theirs.next().await["propertyId"], hers["id"]);
    let gone = json!({ "id": secret["id"], "propertyId": hers["id"] });
    world.call(&olga, home, "portfolio/v1/removeProperty", gone).await.ok();
    for guess in &mut guesses {
        guess.quiet(Duration::from_millis(300)).await;
    }
}

#[tokio::test]
async fn what_was_told_before_is_not_told_again_once_the_grant_is_gone() {
    let Scene { world, olga, sam, dana, home, desk, grant } = scene(World::new().await).await;
    let toni = person("toni");
    world.join(&dana, desk, &toni, "CONCIERGE_STAFF").await;
    let house = world.create_property(&olga, home, "1").await;
    let mut hears = subscribed(&world, &sam, desk, PROPERTIES, json!({})).await;
    let before = world.rpc(&sam, Some(desk), "change/v1/list", json!({})).await.ok()["cursor"].clone();
    note(&world, &olga, home, &house, 1, "SECRET").await;
    assert_eq!(hears.next().await["property"]["notes"], "SECRET");
    world.call(&olga, home, "accessGrant/v1/revoke", json!({ "id": grant["id"], "version": 2 })).await.ok();
    heard(&mut hears, "SCOPE_LOST", home).await;
    // The same document is asked from before, by others with equal rights: an answer that was made then is nobody's any more.
    for who in [&sam, &toni] {
        let mut again = subscribed(&world, who, desk, PROPERTIES, json!({ "after": before })).await;
        let told = again.next().await;
        assert_eq!((&told["change"], &told["property"]), (&json!("SCOPE_LOST"), &Value::Null), "{told:#}");
    }
}

/// Two people with the same role have the same rights, and still not each other's own things.
#[tokio::test]
async fn two_people_who_see_different_things_never_share_an_answer() {
    let world = World::new().await;
    let (olga, tom, tina, lena, mona) = (person("olga"), person("tom"), person("tina"), person("lena"), person("mona"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let toms = world.join(&olga, home, &tom, "TRUSTEE").await;
    world.join(&olga, home, &tina, "TRUSTEE").await;
    let mut delegated = Vec::new();
    for who in [&lena, &mona] {
        let house = world.create_property(&olga, home, &who.subject).await;
        let what = json!({ "holderId": world.principal(who).await, "actions": ["READ"], "propertyIds": [house["id"]] });
        world.delegate(&olga, home, what).await;
        delegated.push((house, subscribed(&world, who, home, ALL, json!({})).await));
    }
    let mut trustees =
        [subscribed(&world, &tom, home, ALL, json!({})).await, subscribed(&world, &tina, home, ALL, json!({})).await];

    for version in 1..3 {
        for (house, _) in &delegated {
            note(&world, &olga, home, house, version, &format!("told to one of them, {version}")).await;
        }
        for (house, theirs) in &mut delegated {
            let told = theirs.next().await;
            assert_eq!((kinds(&told).1, &told["resourceId"]), ("property.updated", &house["id"]), "{told:#}");
        }
    }
    for trustee in &mut trustees {
        for _ in 0..4 {
            assert_eq!(kinds(&trustee.next().await).1, "property.updated");
        }
    }
    let extended = json!({ "id": toms["id"], "version": toms["version"], "endsAt": "2099-01-01T00:00:00Z" });
    world.call(&olga, home, "membership/v1/extend", extended).await.ok();
    world.create_property(&olga, home, "3 Third").await;
    let [tom_hears, tina_hears] = &mut trustees;
    let told = tom_hears.next().await;
    assert_eq!((kinds(&told).1, &told["resourceId"]), ("membership.extended", &toms["id"]), "{told:#}");
    for trustee in [tom_hears, tina_hears] {
        assert_eq!(kinds(&trustee.next().await).1, "property.created");
    }
}
