//! The contract files, compared with the code. `make bless` writes them anew.

use crate::harness::{cluster, root};
use authz::{Cerbos, Settings};
use kind::DelegatedAction;
use queryplan::Of;
use schema::{
    AccessGrantId, Actor, Check, Decide, OrganizationId, PrincipalId, PrincipalKind, Resource, Role, Runs, Sight, Through,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fmt::Write};
use uuid::Uuid;

#[test]
fn golden_files_are_what_the_code_gives() {
    if std::env::var_os("BLESS").is_some() {
        server::contract::write(&root()).expect("written");
    }
    server::contract::check(&root()).expect("the committed contract");
}

/// An actor that the PDP is asked about: a column of the access table.
struct Standing {
    column: &'static str,
    about: &'static str,
    actor: Actor,
}

/// A line of the access table.
struct Question {
    kind: &'static str,
    action: &'static str,
    note: String,
    attributes: Value,
}

impl Question {
    fn check(&self, relation: &str) -> Check {
        let mut attributes = self.attributes.clone();
        attributes["relation"] = relation.into();
        let resource = Resource { kind: self.kind, id: Uuid::from_u128(3), attributes, version: None };
        Check { action: self.action, resource }
    }
}

const LEGEND: &str = "\
# Who may do what, as the PDP answers: a line for each question, a column for each standing.
#   O   in their own organization
#   E   in an organization that engages theirs, a concierge's
#   OE  in both, - in neither
";

/// Role × action × kind, as the real PDP answers.
#[tokio::test]
async fn golden_access_is_what_the_pdp_says() {
    let cerbos = Cerbos::new(Settings::new(cluster().await.cerbos_url())).unwrap_or_else(|_| panic!("a client"));
    let (standings, questions) = (standings(), questions());
    let mut rows = vec![String::new(); questions.len()];
    for Standing { column, actor, .. } in &standings {
        let ask = async |actor: &Actor, relation| {
            let checks: Vec<Check> = questions.iter().map(|question| question.check(relation)).collect();
            cerbos.check(actor, &checks).await.unwrap_or_else(|_| panic!("an answer"))
        };
        let own = ask(actor, "OWN").await;
        // Only a concierge's organization is ever engaged.
        let desk = Actor { organization_type: Some("CONCIERGE_OPERATOR".into()), ..actor.clone() };
        let engaged = ask(&desk, "ENGAGED").await;
        for (row, answers) in rows.iter_mut().zip(own.into_iter().zip(engaged)) {
            let shown = match answers {
                (true, true) => "OE",
                (true, false) => "O",
                (false, true) => "E",
                (false, false) => "-",
            };
            let _ = write!(row, " {shown:<width$}", width = column.len());
        }
    }
    let mut text = String::from(LEGEND) + "#\n";
    for Standing { column, about, .. } in &standings {
        let _ = writeln!(text, "#   {column:<9} {about}");
    }
    let columns: Vec<&str> = standings.iter().map(|standing| standing.column).collect();
    let mut before = "";
    for (Question { kind, action, note, .. }, row) in questions.iter().zip(rows) {
        if std::mem::replace(&mut before, kind) != *kind {
            let _ = writeln!(text, "\n{:<16} {:<14} {:<25} {}", "# kind", "action", "of what", columns.join(" "));
        }
        let _ = writeln!(text, "{}", format!("{kind:<16} {action:<14} {note:<25}{row}").trim_end());
    }
    let path = root().join("schema/golden/access.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).expect("written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "schema/golden/access.txt is not what the PDP says; look at the difference after `make bless`");
}

fn standings() -> Vec<Standing> {
    let actor = |kind, roles| Actor {
        organization: OrganizationId(Uuid::from_u128(2)),
        organization_type: Some("TRUST_OR_LLC".into()),
        roles,
        ..Actor::own_scope(PrincipalId(Uuid::from_u128(1)), kind)
    };
    let human = |roles| actor(PrincipalKind::Human, roles);
    let owner = OrganizationId(Uuid::from_u128(4));
    let through = Some(Through { grant: AccessGrantId(Uuid::from_u128(5)), owner, acts: true, epoch: 0 });
    let mut standings: Vec<Standing> = Role::ALL
        .iter()
        .map(|role| Standing { column: column_of(*role), about: role.as_str(), actor: human(vec![*role]) })
        .collect();
    standings.extend([
        Standing { column: "nobody", about: "no role", actor: human(Vec::new()) },
        Standing {
            column: "delegate",
            about: "no role, but something is delegated to them",
            actor: Actor { delegated: true, ..human(Vec::new()) },
        },
        Standing {
            column: "acting",
            about: "CONCIERGE_STAFF working in another organization, by a grant that lets them act",
            actor: Actor { through, ..human(vec![Role::ConciergeStaff]) },
        },
        Standing { column: "system", about: "the gateway itself", actor: actor(PrincipalKind::System, Vec::new()) },
    ]);
    standings
}

fn column_of(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::CoOwner => "co-owner",
        Role::Trustee => "trustee",
        Role::ConciergeStaff => "staff",
        Role::Administrator => "admin",
    }
}

fn questions() -> Vec<Question> {
    // Changes are of every kind.
    let judged = resolvers::TABLE.iter().filter(|entry| entry.parts().namespace != "change");
    let mut asked: Vec<(&'static str, &'static str)> =
        judged.map(|entry| (kind_of(entry.parts().namespace), entry.parts().action(entry.runs()))).collect();
    asked.extend(entities::NAMES.iter().map(|kind| (*kind, "read")));
    asked.push(("operation", "replay"));
    asked.sort_unstable();
    asked.dedup();
    let each =
        |(kind, action)| variants(kind).into_iter().map(move |(note, attributes)| Question { kind, action, note, attributes });
    asked.into_iter().flat_map(each).collect()
}

fn kind_of(namespace: &'static str) -> &'static str {
    entities::kind_of(namespace).map_or(namespace, |kind| kind.name)
}

/// Attributes of each kind, in the forms that its rules tell apart.
fn variants(kind: &str) -> Vec<(String, Value)> {
    let me = Uuid::from_u128(1).to_string();
    let said = match kind {
        "delegation" => vec![
            ("another's", json!({ "holder": "someone", "grantor": "someone" })),
            ("held", json!({ "holder": me, "grantor": "someone" })),
            ("given", json!({ "holder": "someone", "grantor": me })),
            ("by one held", json!({ "holder": "x", "grantor": "x", "parent": { "holder": me, "mayDelegate": false } })),
            ("by one to pass on", json!({ "holder": "x", "grantor": "x", "parent": { "holder": me, "mayDelegate": true } })),
        ],
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
        plain => return usual(plain),
    };
    said.into_iter().map(|(note, attributes)| (note.to_owned(), attributes)).collect()
}

/// The attributes that the kind's struct declares; where delegations count, once with each delegated action.
fn usual(kind: &str) -> Vec<(String, Value)> {
    let kind = entities::kind(kind).unwrap_or_else(|| panic!("{kind}: say above what its rules look at"));
    let mut attributes = json!({});
    let mut delegated = false;
    for attribute in kind.resource.attributes {
        match &attribute.of {
            Of::Value(_) if attribute.name == "relation" => {}
            Of::Value(scalar) => {
                let column = kind.columns.iter().find(|column| column.name == scalar.column).expect("a column");
                attributes[attribute.name] = column.texts.first().copied().unwrap_or("property").into();
            }
            _ if attribute.name == kind::delegated::ATTRIBUTE => delegated = true,
            _ => panic!("{}: say above what its rules make of {}", kind.name, attribute.name),
        }
    }
    if delegated { delegable(attributes) } else { vec![(String::new(), attributes)] }
}

/// The attributes as they are, and with each action that is delegated to the actor. An action that is delegated to another does
/// not appear.
fn delegable(attributes: Value) -> Vec<(String, Value)> {
    let with = |note: String, actions: &[&str]| {
        let mut attributes = attributes.clone();
        attributes[kind::delegated::ATTRIBUTE] = actions.into();
        (note, attributes)
    };
    // An action that a policy allows only beside another is asked about with it.
    let beside = |action: &DelegatedAction| match action {
        DelegatedAction::Answer => vec![action.as_str(), DelegatedAction::ReadCases.as_str()],
        _ => vec![action.as_str()],
    };
    let each = DelegatedAction::ALL.iter().map(|action| with(format!("delegated {}", action.as_str()), &beside(action)));
    let others = with("delegated to another".into(), &[]);
    [with(String::new(), &[])].into_iter().chain(each).chain([others]).collect()
}

/// Each delegated action lets a delegate do exactly the actions that it declares, no more and no less.
#[tokio::test]
async fn each_delegated_action_is_leave_for_what_it_says() {
    let cerbos = Cerbos::new(Settings::new(cluster().await.cerbos_url())).unwrap_or_else(|_| panic!("a client"));
    let delegate = standings().into_iter().find(|standing| standing.column == "delegate").expect("a delegate").actor;
    for action in DelegatedAction::ALL {
        let note = format!("delegated {}", action.as_str());
        let asked: Vec<Question> = questions().into_iter().filter(|question| question.note == note).collect();
        let checks: Vec<Check> = asked.iter().map(|question| question.check("OWN")).collect();
        let answers = cerbos.check(&delegate, &checks).await.unwrap_or_else(|_| panic!("an answer"));
        let allowed = asked.iter().zip(answers).filter(|(_, allowed)| *allowed);
        let allowed: BTreeSet<_> = allowed.map(|(question, _)| (question.kind, question.action)).collect();
        let beside: &[_] = if *action == DelegatedAction::Answer { DelegatedAction::ReadCases.allows() } else { &[] };
        assert_eq!(allowed, action.allows().iter().chain(beside).copied().collect(), "{note}");
    }
}

/// Attributes that do not match the schemas are refused, whatever the rules say.
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
