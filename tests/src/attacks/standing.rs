//! Who one is, and may become: addresses, machines, owners.

use crate::harness::{Person, World, people::SECRETS, person};
use serde_json::{Value, json};
use uuid::Uuid;

/// A person with other claims than their address.
fn as_said(who: &Person, email: &str, verified: bool) -> Person {
    let token = who.signed(|claims| {
        claims["email"] = json!(email);
        claims["email_verified"] = json!(verified);
    });
    Person { token, ..who.clone() }
}

fn machine(name: &str) -> Person {
    let claims = json!({
        "iss": format!("{}/services", crate::harness::people::ISSUER), "aud": crate::harness::people::AUDIENCE, "sub": name,
        "iat": crate::harness::START, "exp": crate::harness::START + 36_000,
    });
    Person { subject: name.into(), email: String::new(), token: SECRETS.sign(&claims).expect("a token") }
}

async fn invitations(world: &World, who: &Person) -> usize {
    let answer = world.gql(who, None, "{ viewer { invitations { id } } }", json!({})).await;
    answer.data()["viewer"]["invitations"].as_array().map_or(0, Vec::len)
}

/// An invitation goes to whoever proves its address today, and an address has one holder.
#[tokio::test]
async fn an_address_is_held_by_whoever_proves_it_today() {
    let world = World::new().await;
    let (olga, mallory, nina) = (person("olga"), person("mallory"), person("nina"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let old = "old@example.com";
    let once = as_said(&mallory, old, true);
    assert_eq!(invitations(&world, &once).await, 0);
    let invited =
        world.call(&olga, home, "membership/v1/invite", json!({ "email": old, "role": "TRUSTEE" })).await.ok()["id"].clone();
    // The address is hers no more: the token says another one, says it unproven, or says none.
    let silent = Person {
        token: mallory.signed(|claims| claims.as_object_mut().expect("claims").retain(|name, _| !name.starts_with("email"))),
        ..mallory.clone()
    };
    for now in [mallory.clone(), as_said(&mallory, old, false), silent] {
        assert_eq!(invitations(&world, &now).await, 0);
        let body = json!({ "idempotencyKey": world.key(), "id": invited });
        world.rpc(&now, None, "membership/v1/accept", body).await.refused("NOT_FOUND");
    }
    // Who has it now is found by it, and accepts.
    let new = as_said(&nina, &old.to_uppercase(), true);
    assert_eq!(invitations(&world, &new).await, 1);
    let property = world.create_property(&olga, home, "1").await;
    let delegation = json!({ "holderEmail": old, "propertyIds": [property["id"]], "actions": ["READ"] });
    let delegation = world.call(&olga, home, "delegation/v1/grant", delegation).await.ok().clone();
    assert_eq!(delegation["holderId"], world.principal(&new).await);
    let holders = "SELECT count(*) FROM principal WHERE lower(email) = 'old@example.com'";
    assert_eq!(world.count(holders).await, 1);
    let body = json!({ "idempotencyKey": world.key(), "id": invited });
    world.rpc(&new, None, "membership/v1/accept", body).await.ok();
}

/// Two who prove the same address at once end with one holder, and both are served.
#[tokio::test]
async fn an_address_that_two_prove_at_once_has_one_holder() {
    let world = World::new().await;
    let people: Vec<Person> = (0..8).map(|n| as_said(&person(&format!("p{n}")), "shared@example.com", true)).collect();
    for _ in 0..3 {
        let all = people.iter().map(|who| world.gql(who, None, "{ viewer { id } }", json!({})));
        for answer in futures_util::future::join_all(all).await {
            answer.data();
        }
        assert_eq!(world.count("SELECT count(*) FROM principal WHERE email = 'shared@example.com'").await, 1);
    }
}

/// Whoever founds an organization proves an address, and founds only so many.
#[tokio::test]
async fn a_founder_proves_an_address_and_founds_only_so_many() {
    let world = World::new().await;
    let olga = person("olga");
    let found = async |who: &Person| {
        let body = json!({ "idempotencyKey": world.key(), "type": "TRUST_OR_LLC", "name": "Mine" });
        world.rpc(who, None, "organization/v1/create", body).await
    };
    found(&as_said(&olga, &olga.email, false)).await.refused("EMAIL_UNVERIFIED");
    for _ in 0..schema::quota::FOUNDED.most {
        found(&olga).await.ok();
    }
    let refused = found(&olga).await;
    refused.refused("QUOTA_EXCEEDED");
    assert_eq!(refused.body["error"]["details"], json!({ "quota": "organizationsFoundedByOne", "most": 100 }));
    found(&person("mara")).await.ok();
}

/// A machine belongs to the organization that registered it: nobody takes its name, or learns that it is there.
#[tokio::test]
async fn a_machines_name_is_its_organizations() {
    let world = World::new().await;
    let (mallory, olga) = (person("mallory"), person("olga"));
    let theirs = world.found(&mallory, "TRUST_OR_LLC").await;
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let register = async |who: &Person, organization: Uuid, kind: &str| {
        let body = json!({ "kind": kind, "subject": "accounting", "displayName": "Books", "role": "TRUSTEE" });
        world.call(who, organization, "principal/v1/register", body).await
    };
    let squatted = register(&mallory, theirs, "AGENT").await.ok()["principalId"].clone();
    let own = register(&olga, home, "SERVICE").await.ok()["principalId"].clone();
    assert_ne!(squatted, own);
    register(&olga, home, "SERVICE").await.refused("PRINCIPAL_TAKEN");
    let accounting = machine("accounting");
    let who = async |organization: Uuid| -> Value {
        let answer = world
            .gql(&accounting, Some(organization), "{ viewer { id kind displayName } properties { totalCount } }", json!({}))
            .await;
        answer.data()["viewer"].clone()
    };
    assert_eq!(who(home).await, json!({ "id": own, "kind": "SERVICE", "displayName": "Books" }));
    assert_eq!(who(theirs).await["id"], squatted);
    world.call(&accounting, home, "property/v1/create", World::property("1")).await.ok();
    // Elsewhere it is nobody.
    let other = world.found(&mallory, "TRUST_OR_LLC").await;
    let asked = world.gql(&accounting, Some(other), "{ properties { totalCount } }", json!({})).await;
    assert_eq!(asked.gql_code(), "ORGANIZATION_NOT_FOUND");
}

/// An organization that somebody owns keeps an owner, whoever else manages its members; others keep whoever does.
#[tokio::test]
async fn owners_keep_an_owner() {
    let world = World::new().await;
    let (olga, arno, mara) = (person("olga"), person("arno"), person("mara"));
    let own = async |home: Uuid| {
        let mine = "{ memberships(filter: { role: [OWNER, ADMINISTRATOR] }) { nodes { id role version } } }";
        world.gql(&olga, Some(home), mine, json!({})).await.data()["memberships"]["nodes"].clone()
    };
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    world.join(&olga, home, &arno, "ADMINISTRATOR").await;
    let members = own(home).await;
    let owner = members.as_array().and_then(|all| all.iter().find(|one| one["role"] == "OWNER")).cloned().expect("an owner");
    let leave = json!({ "id": owner["id"], "version": owner["version"] });
    world.call(&olga, home, "membership/v1/revoke", leave.clone()).await.refused("MEMBERSHIP_LAST_OWNER");
    let mut lower = leave.clone();
    lower["role"] = json!("ADMINISTRATOR");
    world.call(&olga, home, "membership/v1/changeRole", lower).await.refused("MEMBERSHIP_LAST_OWNER");
    // The administrator goes, and a second owner lets the first one go.
    let administrator =
        members.as_array().and_then(|all| all.iter().find(|one| one["role"] == "ADMINISTRATOR")).cloned().expect("one");
    world
        .call(&olga, home, "membership/v1/revoke", json!({ "id": administrator["id"], "version": administrator["version"] }))
        .await
        .ok();
    world.join(&olga, home, &mara, "OWNER").await;
    world.call(&olga, home, "membership/v1/revoke", leave).await.ok();
    // Where nobody owns it, an administrator is enough.
    let desk = world.found(&olga, "CONCIERGE_OPERATOR").await;
    world.join(&olga, desk, &arno, "ADMINISTRATOR").await;
    let first = own(desk).await[0].clone();
    world.call(&olga, desk, "membership/v1/revoke", json!({ "id": first["id"], "version": first["version"] })).await.ok();
}

/// A machine lets in neither administrators nor machines.
#[tokio::test]
async fn a_machine_makes_no_administrators() {
    let world = World::new().await;
    let olga = person("olga");
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let register = |role: &str, subject: &str| json!({ "kind": "SERVICE", "subject": subject, "displayName": "x", "role": role });
    world.call(&olga, home, "principal/v1/register", register("ADMINISTRATOR", "robot")).await.ok();
    let robot = machine("robot");
    let invite = |role: &str, n: u32| json!({ "email": format!("{n}@example.com"), "role": role });
    world.call(&robot, home, "membership/v1/invite", invite("TRUSTEE", 1)).await.ok();
    world.call(&robot, home, "membership/v1/invite", invite("ADMINISTRATOR", 2)).await.refused("FORBIDDEN");
    world.call(&robot, home, "membership/v1/invite", invite("OWNER", 3)).await.refused("FORBIDDEN");
    world.call(&robot, home, "principal/v1/register", register("TRUSTEE", "second")).await.refused("FORBIDDEN");
    let mara = person("mara");
    let member = world.join(&olga, home, &mara, "TRUSTEE").await;
    let higher = json!({ "id": member["id"], "version": member["version"], "role": "ADMINISTRATOR" });
    world.call(&robot, home, "membership/v1/changeRole", higher).await.refused("FORBIDDEN");
}

/// To write finances down is not to read them.
#[tokio::test]
async fn whoever_records_finances_does_not_read_them() {
    let world = World::new().await;
    let (olga, lena, rita) = (person("olga"), person("lena"), person("rita"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let property = world.create_property(&olga, home, "1").await["id"].clone();
    let entry = |amount: i64| json!({ "propertyId": property, "kind": "RENT", "amountMinor": amount, "currency": "USD", "bookedOn": "2026-05-01", "source": "bank" });
    let owners = world.call(&olga, home, "financialEntry/v1/record", entry(100)).await.ok()["id"].clone();
    for (who, actions) in [(&lena, json!(["RECORD_FINANCES"])), (&rita, json!(["READ_FINANCES"]))] {
        let body = json!({ "holderId": world.principal(who).await, "propertyIds": [property], "actions": actions });
        world.delegate(&olga, home, body).await;
    }
    world.call(&lena, home, "financialEntry/v1/record", entry(7)).await.ok();
    let seen = async |who: &Person| {
        let all = "{ financialEntries { nodes { id } } }";
        let answer = world.gql(who, Some(home), all, json!({})).await;
        let nodes = answer.data()["financialEntries"]["nodes"].as_array().cloned().unwrap_or_default();
        nodes.into_iter().map(|node| node["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(seen(&lena).await, Vec::<Value>::new());
    assert_eq!(seen(&rita).await.len(), 2);
    let correct = json!({ "id": owners, "version": 1, "amountMinor": 8, "reason": "wrong" });
    world.call(&lena, home, "financialEntry/v1/correct", correct.clone()).await.refused("NOT_FOUND");
    world.call(&rita, home, "financialEntry/v1/correct", correct.clone()).await.refused("FORBIDDEN");
    // Whoever may do both corrects.
    let body = json!({ "holderId": world.principal(&rita).await, "propertyIds": [property], "actions": ["RECORD_FINANCES"] });
    world.delegate(&olga, home, body).await;
    world.call(&rita, home, "financialEntry/v1/correct", correct).await.ok();
}
