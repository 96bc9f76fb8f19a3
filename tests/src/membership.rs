use crate::harness::{World, person, until};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

#[tokio::test]
async fn an_invitation_is_for_the_one_it_names() {
    let world = World::new().await;
    let (owner, ines, mallory) = (person("maria"), person("ines"), person("mallory"));
    let trust = world.found(&owner, "TRUST_OR_LLC").await;
    let invited = world
        .call(
            &owner,
            trust,
            "membership/v1/invite",
            json!({ "email": "INES@example.com", "role": "TRUSTEE", "reason": "By deed" }),
        )
        .await
        .ok()
        .clone();
    world
        .call(&owner, trust, "membership/v1/invite", json!({ "email": "ines@example.com", "role": "TRUSTEE" }))
        .await
        .refused("MEMBERSHIP_EXISTS");

    // An invitation that is not accepted shows nothing, not even the organization's existence.
    world.rpc(&ines, Some(trust), "property/v1/list", json!({})).await.refused("ORGANIZATION_NOT_FOUND");
    let accept = |key: uuid::Uuid| json!({ "idempotencyKey": key, "id": invited["id"] });
    world.rpc(&mallory, None, "membership/v1/accept", accept(world.key())).await.refused("NOT_FOUND");

    // An address that only looks alike when it is folded accepts nothing either: its first letter is a dotted İ.
    let alike = mallory.signed(|claims| claims["email"] = json!("\u{130}nes@example.com"));
    let alike = crate::harness::Person { token: alike, ..mallory.clone() };
    world.rpc(&alike, None, "membership/v1/accept", accept(world.key())).await.refused("NOT_FOUND");

    let viewer = world
        .gql(
            &ines,
            None,
            "{ viewer { memberships { nodes { role } } invitations { id organization { name } role } } }",
            json!({}),
        )
        .await;
    assert_eq!(viewer.data()["viewer"]["memberships"]["nodes"], json!([]));
    assert_eq!(viewer.data()["viewer"]["invitations"][0]["id"], invited["id"]);

    let key = world.key();
    let accepted = world.rpc(&ines, None, "membership/v1/accept", accept(key)).await.ok().clone();
    assert_eq!((&accepted["state"], &accepted["version"]), (&json!("ACTIVE"), &json!(2)));
    let again = world.rpc(&ines, None, "membership/v1/accept", accept(key)).await;
    assert_eq!((&again.body["result"], &again.body["replayed"]), (&accepted, &json!(true)));
    world.rpc(&ines, None, "membership/v1/accept", accept(world.key())).await.refused("MEMBERSHIP_NOT_PENDING");
    world.rpc(&ines, Some(trust), "property/v1/list", json!({})).await.ok();
    // A trustee works with properties and does not let others in.
    world.call(&ines, trust, "property/v1/create", World::property("1 First Street")).await.ok();
    world
        .call(&ines, trust, "membership/v1/invite", json!({ "email": "x@example.com", "role": "TRUSTEE" }))
        .await
        .refused("FORBIDDEN");
}

#[tokio::test]
async fn an_administrator_makes_no_owners_and_the_last_governor_stays() {
    let world = World::new().await;
    let (owner, dana) = (person("maria"), person("dana"));
    let trust = world.found(&owner, "TRUST_OR_LLC").await;
    let dana_is = world.join(&owner, trust, &dana, "ADMINISTRATOR").await;
    world
        .call(&dana, trust, "membership/v1/invite", json!({ "email": "y@example.com", "role": "OWNER" }))
        .await
        .refused("FORBIDDEN");
    let memberships = world.gql(&owner, Some(trust), "query($id: ID!) { organization(id: $id) { memberships { totalCount edges { node { id role version principalId } } } } }", json!({ "id": trust })).await;
    let all = memberships.data()["organization"]["memberships"]["edges"].as_array().expect("edges").clone();
    let mine = all.iter().find(|edge| edge["node"]["role"] == "OWNER").map(|edge| edge["node"].clone()).expect("the owner");
    world
        .call(&dana, trust, "membership/v1/revoke", json!({ "id": mine["id"], "version": mine["version"] }))
        .await
        .refused("FORBIDDEN");
    world
        .call(&owner, trust, "membership/v1/revoke", json!({ "id": dana_is["id"], "version": 2, "reason": "Moved on" }))
        .await
        .ok();
    world.rpc(&dana, Some(trust), "property/v1/list", json!({})).await.refused("ORGANIZATION_NOT_FOUND");
    world
        .call(&owner, trust, "membership/v1/revoke", json!({ "id": dana_is["id"], "version": 3 }))
        .await
        .refused("MEMBERSHIP_ENDED");
    world
        .call(&owner, trust, "membership/v1/revoke", json!({ "id": mine["id"], "version": mine["version"] }))
        .await
        .refused("MEMBERSHIP_LAST_OWNER");
}

#[tokio::test]
async fn two_governors_who_leave_at_once_do_not_both_go() {
    let world = World::new().await;
    let (one, two) = (person("one"), person("two"));
    let trust = world.found(&one, "TRUST_OR_LLC").await;
    let second = world.join(&one, trust, &two, "OWNER").await;
    let viewer = world.gql(&one, None, "{ viewer { memberships { nodes { id } } } }", json!({})).await;
    let first = viewer.data()["viewer"]["memberships"]["nodes"][0]["id"].clone();
    let (a, b) = tokio::join!(
        world.call(&one, trust, "membership/v1/revoke", json!({ "id": second["id"], "version": 2 })),
        world.call(&two, trust, "membership/v1/revoke", json!({ "id": first, "version": 1 })),
    );
    let left = world.count("SELECT count(*) FROM membership WHERE state = 'ACTIVE'").await;
    assert_eq!(left, 1, "{:#} {:#}", a.body, b.body);
}

#[tokio::test]
async fn rights_end_with_the_term_and_the_end_is_noted_once() {
    let world = World::new().await;
    let (owner, ines) = (person("maria"), person("ines"));
    let trust = world.found(&owner, "TRUST_OR_LLC").await;
    let ends = schema::Clock::now(&*world.clock) + Duration::from_secs(3_600);
    let early = json!({ "email": ines.email, "role": "CO_OWNER", "endsAt": ends - Duration::from_secs(7_200) });
    let refused = world.call(&owner, trust, "membership/v1/invite", early).await;
    assert_eq!(refused.body["field_errors"][0]["code"], "TOO_EARLY");
    let invited = world
        .call(&owner, trust, "membership/v1/invite", json!({ "email": ines.email, "role": "CO_OWNER", "endsAt": ends }))
        .await
        .ok()
        .clone();
    world.rpc(&ines, None, "membership/v1/accept", json!({ "idempotencyKey": world.key(), "id": invited["id"] })).await.ok();
    world.rpc(&ines, Some(trust), "property/v1/list", json!({})).await.ok();
    let _second = world.replica(Default::default()).await;

    world.clock.advance(Duration::from_secs(3_601));
    // The membership ends at once, before any timer ran.
    world.rpc(&ines, Some(trust), "property/v1/list", json!({})).await.refused("ORGANIZATION_NOT_FOUND");
    let row: (String, Value) = until("the timer", async || {
        sqlx::query_as(
            "SELECT m.state, e.change FROM membership m JOIN event e ON e.resource_id = m.id AND e.kind = 'membership.expired'",
        )
        .fetch_optional(&world.sql)
        .await
        .expect("a row")
    })
    .await;
    assert_eq!(row.0, "EXPIRED");
    let (by, count): (String, i64) =
        sqlx::query_as("SELECT min(actor_kind), count(*) FROM event WHERE kind = 'membership.expired'")
            .fetch_one(&world.sql)
            .await
            .expect("events");
    assert_eq!((by.as_str(), count), ("SYSTEM", 1));
    // The timer's procedure is on no surface.
    let body = json!({ "idempotencyKey": world.key(), "id": invited["id"] });
    world.rpc(&owner, Some(trust), "membership/v1/expire", body).await.refused("UNKNOWN_PROCEDURE");
}

#[tokio::test]
async fn a_term_is_moved_and_taken_away() {
    let world = World::new().await;
    let (owner, ines) = (person("maria"), person("ines"));
    let trust = world.found(&owner, "TRUST_OR_LLC").await;
    let membership = world.join(&owner, trust, &ines, "CO_OWNER").await;
    let in_an_hour = schema::Clock::now(&*world.clock) + Duration::from_secs(3_600);
    let extend = |version: i32, ends: Value| json!({ "id": membership["id"], "version": version, "endsAt": ends });
    world.call(&ines, trust, "membership/v1/extend", extend(2, Value::Null)).await.refused("FORBIDDEN");
    let past = world.call(&owner, trust, "membership/v1/extend", extend(2, json!("2020-01-01T00:00:00Z"))).await;
    assert_eq!(past.body["field_errors"][0]["code"], "TOO_EARLY");
    let ending = world.call(&owner, trust, "membership/v1/extend", extend(2, json!(in_an_hour))).await;
    assert!(ending.ok()["endsAt"].is_string());
    let open = world.call(&owner, trust, "membership/v1/extend", extend(3, Value::Null)).await;
    assert_eq!((&open.ok()["endsAt"], &open.ok()["version"]), (&Value::Null, &json!(4)));
    world.clock.advance(Duration::from_secs(7_200));
    world.rpc(&ines, Some(trust), "property/v1/list", json!({})).await.ok();
}

#[tokio::test]
async fn an_invitation_is_declined_and_a_role_changed() {
    let world = World::new().await;
    let (olga, ines, tom, adam) = (person("olga"), person("ines"), person("tom"), person("adam"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    world.principal(&ines).await;
    let invite = json!({ "email": "ines@example.com", "role": "TRUSTEE", "reason": "Helps out" });
    let invited = world.call(&olga, home, "membership/v1/invite", invite.clone()).await.ok().clone();
    let decline = |key: Uuid| json!({ "idempotencyKey": key, "id": invited["id"] });
    // Only whom it is addressed to declines it, once, and is no member by that.
    world.rpc(&tom, None, "membership/v1/decline", decline(world.key())).await.refused("NOT_FOUND");
    let declined = world.rpc(&ines, None, "membership/v1/decline", decline(world.key())).await.ok().clone();
    assert_eq!((&declined["state"], declined["endedAt"].is_null()), (&json!("DECLINED"), false));
    world.rpc(&ines, None, "membership/v1/decline", decline(world.key())).await.refused("MEMBERSHIP_NOT_PENDING");
    world.rpc(&ines, None, "membership/v1/accept", decline(world.key())).await.refused("MEMBERSHIP_NOT_PENDING");
    world.rpc(&ines, Some(home), "property/v1/list", json!({})).await.refused("ORGANIZATION_NOT_FOUND");
    // Whoever invited them sees that, and no name of theirs.
    let query = "query ($id: ID!) { organization(id: $id) { memberships(filter: { state: [DECLINED] }) { nodes { state email principal { displayName } } } } }";
    let seen = world.gql(&olga, Some(home), query, json!({ "id": home })).await;
    assert_eq!(
        seen.data()["organization"]["memberships"]["nodes"][0],
        json!({ "state": "DECLINED", "email": "ines@example.com", "principal": null })
    );
    world.call(&olga, home, "membership/v1/invite", invite).await.ok();

    // A role is changed: rights follow at once.
    let toms = world.join(&olga, home, &tom, "CONCIERGE_STAFF").await;
    world.call(&tom, home, "property/v1/create", World::property("1 First Street")).await.refused("FORBIDDEN");
    let change = |row: &serde_json::Value, role: &str| json!({ "id": row["id"], "version": row["version"], "role": role });
    world.call(&tom, home, "membership/v1/changeRole", change(&toms, "OWNER")).await.refused("FORBIDDEN");
    let toms = world.call(&olga, home, "membership/v1/changeRole", change(&toms, "TRUSTEE")).await.ok().clone();
    assert_eq!((&toms["role"], &toms["version"]), (&json!("TRUSTEE"), &json!(3)));
    world.call(&tom, home, "property/v1/create", World::property("1 First Street")).await.ok();
    // An administrator makes no owner, and unmakes none; the last owner stays one.
    let adams = world.join(&olga, home, &adam, "ADMINISTRATOR").await;
    world.call(&adam, home, "membership/v1/changeRole", change(&toms, "OWNER")).await.refused("FORBIDDEN");
    let query = "query ($id: ID!) { organization(id: $id) { memberships { nodes { id version role } } } }";
    let all = world.gql(&olga, Some(home), query, json!({ "id": home })).await;
    let olgas = all.data()["organization"]["memberships"]["nodes"][0].clone();
    assert_eq!(olgas["role"], "OWNER");
    world.call(&adam, home, "membership/v1/changeRole", change(&olgas, "TRUSTEE")).await.refused("FORBIDDEN");
    let adams = world.call(&olga, home, "membership/v1/changeRole", change(&adams, "TRUSTEE")).await.ok().clone();
    world.call(&olga, home, "membership/v1/changeRole", change(&olgas, "TRUSTEE")).await.refused("MEMBERSHIP_LAST_OWNER");
    world.call(&adam, home, "membership/v1/changeRole", change(&adams, "OWNER")).await.refused("FORBIDDEN");
}
