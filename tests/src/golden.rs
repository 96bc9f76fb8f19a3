//! The contract files are what the code gives. `make bless` writes them anew.

use crate::harness::{cluster, root};
use authz::{Cerbos, Settings};
use schema::{
    AccessGrantId, Actor, Check, Decide, Runs, OrganizationId, PrincipalId, PrincipalKind, Resource, Role, Sight, Through,
};
use serde_json::{Value, json};
use std::fmt::Write;
use uuid::Uuid;

#[test]
fn golden_files_are_what_the_code_gives() {
    if std::env::var_os("BLESS").is_some() {
        server::contract::write(&root()).expect("written");
    }
    server::contract::check(&root()).expect("the committed contract");
}

/// Role × action × kind, as the real PDP answers.
#[tokio::test]
async fn golden_access_is_what_the_pdp_says() {
    let cerbos = Cerbos::new(Settings::new(cluster().await.cerbos_url())).unwrap_or_else(|_| panic!("a client"));
    let me = Uuid::from_u128(1);
    let mut text = String::from("# role               kind             action         own  engaged\n");
    let actor = |kind, roles| Actor {
        organization: OrganizationId(Uuid::from_u128(2)),
        organization_type: Some("TRUST_OR_LLC".into()),
        roles,
        ..Actor::own_scope(PrincipalId(me), kind)
    };
    let mut standings: Vec<(String, Actor)> =
        Role::ALL.iter().map(|role| (role.as_str().to_owned(), actor(PrincipalKind::Human, vec![*role]))).collect();
    standings.push(("(nobody)".into(), actor(PrincipalKind::Human, Vec::new())));
    standings.push(("(delegate)".into(), Actor { delegated: true, ..actor(PrincipalKind::Human, Vec::new()) }));
    let owner = OrganizationId(Uuid::from_u128(4));
    let through = Some(Through { grant: AccessGrantId(Uuid::from_u128(5)), owner, acts: true, epoch: 0 });
    standings.push(("(acting staff)".into(), Actor { through, ..actor(PrincipalKind::Human, vec![Role::ConciergeStaff]) }));
    standings.push(("(system)".into(), actor(PrincipalKind::System, Vec::new())));
    // Changes are of every kind.
    let judged = resolvers::TABLE.iter().filter(|entry| entry.parts().namespace != "change");
    let mut questions: Vec<(&'static str, &'static str)> =
        judged.map(|entry| (kind_of(entry.parts().namespace), entry.parts().action(entry.runs()))).collect();
    questions.push(("membership", "read"));
    questions.push(("operation", "replay"));
    questions.push(("event", "read"));
    questions.push(("engaged_property", "read"));
    questions.sort_unstable();
    questions.dedup();
    for (name, actor) in standings {
        for (resource, action) in &questions {
            for (note, more) in variants(resource) {
                let ask = |relation: &str| {
                    let mut attributes = more.clone();
                    attributes["relation"] = relation.into();
                    Check { action, resource: Resource { kind: resource, id: Uuid::from_u128(3), attributes, version: None } }
                };
                let own = cerbos.check(&actor, &[ask("OWN")]).await.unwrap_or_else(|_| panic!("an answer"));
                // Only a concierge's organization is ever engaged.
                let desk = Actor { organization_type: Some("CONCIERGE_OPERATOR".into()), ..actor.clone() };
                let engaged = cerbos.check(&desk, &[ask("ENGAGED")]).await.unwrap_or_else(|_| panic!("an answer"));
                let shown = |yes: bool| if yes { "yes" } else { "-" };
                let _ =
                    writeln!(text, "{name:<20} {resource:<16} {action:<14} {:<4} {:<8} {note}", shown(own[0]), shown(engaged[0]));
            }
        }
    }
    let text: String = text.lines().flat_map(|line| [line.trim_end(), "\n"]).collect();
    let path = root().join("schema/golden/access.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).expect("written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "schema/golden/access.txt is not what the PDP says; look at the difference after `make bless`");
}

fn kind_of(namespace: &'static str) -> &'static str {
    entities::kind_of(namespace).map_or(namespace, |kind| kind.name)
}

/// Attributes of each kind, in the forms that its rules tell apart.
fn variants(kind: &str) -> Vec<(&'static str, Value)> {
    let me = Uuid::from_u128(1).to_string();
    match kind {
        "property" => delegable(json!({ "kind": "LAND", "status": "ACTIVE" })),
        "ownership" => delegable(json!({ "capacity": "OWNER" })),
        "financial_entry" => delegable(json!({ "kind": "TAX" })),
        "event" => delegable(json!({ "resourceKind": "property" })),
        "engaged_property" => vec![("", json!({ "kind": "LAND", "status": "ACTIVE" }))],
        "access_grant" => vec![("", json!({ "kind": "ENGAGEMENT" }))],
        "delegation" => vec![
            ("another's", json!({ "holder": "someone", "grantor": "someone" })),
            ("held", json!({ "holder": me, "grantor": "someone" })),
            ("given", json!({ "holder": "someone", "grantor": me })),
            ("by one held", json!({ "holder": "x", "grantor": "x", "parent": { "holder": me, "mayDelegate": false } })),
            ("by one to pass on", json!({ "holder": "x", "grantor": "x", "parent": { "holder": me, "mayDelegate": true } })),
        ],
        "external_party" => vec![("", json!({ "kind": "HOA", "status": "ACTIVE" }))],
        "portfolio" => delegable(json!({ "status": "ACTIVE" })),
        "organization" => vec![("", json!({ "type": "TRUST_OR_LLC" }))],
        "membership" => vec![
            ("of a trustee", json!({ "role": "TRUSTEE" })),
            ("of an owner", json!({ "role": "OWNER" })),
            ("one's own", json!({ "role": "TRUSTEE", "principal": me })),
        ],
        "operation" => vec![
            ("another's", json!({ "initiator": "someone", "state": "COMPLETED" })),
            ("one's own", json!({ "initiator": me, "state": "COMPLETED" })),
        ],
        "principal" => vec![
            ("as staff", json!({ "kind": "AGENT", "role": "CONCIERGE_STAFF" })),
            ("as an owner", json!({ "kind": "AGENT", "role": "OWNER" })),
        ],
        other => panic!("{other}: say here what its rules look at"),
    }
}

/// As it is, and with each action delegated over it.
fn delegable(attributes: Value) -> Vec<(&'static str, Value)> {
    let me = Uuid::from_u128(1).to_string();
    let with = |note, holder: &str, action: Option<&str>| {
        let mut attributes = attributes.clone();
        let all: Vec<_> = action.iter().map(|action| json!({ "holder": holder, "action": action })).collect();
        attributes["delegations"] = all.into();
        (note, attributes)
    };
    vec![
        with("", &me, None),
        with("delegated READ", &me, Some("READ")),
        with("delegated UPDATE", &me, Some("UPDATE")),
        with("delegated ARCHIVE", &me, Some("ARCHIVE")),
        with("delegated READ_FINANCES", &me, Some("READ_FINANCES")),
        with("delegated RECORD_FINANCES", &me, Some("RECORD_FINANCES")),
        with("delegated to another", "someone", Some("UPDATE")),
    ]
}

/// Whoever sends what the schemas do not know is refused, whatever the rules say.
#[tokio::test]
async fn the_policies_schemas_are_enforced() {
    let cerbos = Cerbos::new(Settings::new(cluster().await.cerbos_url())).unwrap_or_else(|_| panic!("a client"));
    let owner = Actor {
        roles: vec![Role::Owner],
        organization_type: None,
        ..Actor::own_scope(PrincipalId(Uuid::from_u128(1)), PrincipalKind::Human)
    };
    let ask = |attributes: Value| Check {
        action: "read",
        resource: Resource { kind: "property", id: Uuid::from_u128(3), attributes, version: None },
    };
    let sound = ask(json!({ "relation": "OWN", "kind": "LAND", "status": "ACTIVE" }));
    let less = ask(json!({ "relation": "OWN" }));
    let more = ask(json!({ "relation": "OWN", "kind": "LAND", "status": "ACTIVE", "colour": "red" }));
    let answers = cerbos.check(&owner, &[sound.clone(), less, more]).await.unwrap_or_else(|_| panic!("an answer"));
    assert_eq!(answers, [true, false, false]);
    // More questions than one call takes are asked in several.
    let many = cerbos.check(&owner, &vec![sound; 120]).await.unwrap_or_else(|_| panic!("an answer"));
    assert_eq!(many, vec![true; 120]);
}

/// Every kind that is listed is planned for every role, so that a shape that cannot be translated
/// fails here and not at run time.
#[tokio::test]
async fn every_plan_of_the_shipped_policies_is_translated() {
    let cerbos = Cerbos::new(Settings::new(cluster().await.cerbos_url())).unwrap_or_else(|_| panic!("a client"));
    for roles in Role::ALL.iter().map(|role| vec![*role]).chain([Vec::new(), Role::ALL.to_vec()]) {
        let actor =
            Actor { roles, organization_type: None, ..Actor::own_scope(PrincipalId(Uuid::from_u128(1)), PrincipalKind::Human) };
        for kind in entities::NAMES {
            if let Err(error) = cerbos.query_filter(&actor, "read", kind, Sight::Across).await {
                panic!("read {kind} as {:?}: {:?}", actor.roles, error.cause());
            }
        }
    }
}

#[test]
fn every_procedure_is_well_named_and_no_two_share_a_name() {
    let mut names: Vec<&str> = resolvers::TABLE.iter().map(schema::Entry::name).collect();
    for entry in resolvers::TABLE {
        let name = entry.parts();
        assert_eq!(format!("{}/v{}/{}", name.namespace, name.version, name.verb), entry.name());
        if let Runs::Mutation(workflow) = entry.runs() {
            assert_eq!(workflow.version, name.version, "{}", entry.name());
        }
        assert!(!entry.about().is_empty());
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), resolvers::TABLE.len());
}
