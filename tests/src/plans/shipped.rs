//! The policies that ship: every list can be filtered by them, and memory agrees with SQL on our rows.

use super::copied;
use crate::harness::{World, cluster, examples::Examples, folder, kinds, people::SECRETS, person, root};
use authz::{Bundle, Cerbos, Settings};
use kind::{Row, Seen, delegated};
use nix::sys::signal::Signal;
use schema::{Actor, Check, Decide, Judged, OrganizationId, PrincipalId, PrincipalKind, Resource, Role, Sight, Subject};
use sea_orm::{
    ConnectionTrait, EntityTrait, QueryFilter, SqlxPostgresConnector,
    sea_query::{Expr, Query},
};
use serde_json::json;
use server::embedded::{Folders, Spawner, start_cerbos};
use std::{
    collections::BTreeSet,
    pin::Pin,
    process::{Command, Output},
    sync::Arc,
};
use uuid::Uuid;

pub fn client(url: &str) -> Cerbos {
    Cerbos::new(Settings::new(url)).unwrap_or_else(|error| panic!("{:?}", error.cause()))
}

/// A client that has heard the sentinel, so that it keeps and shares plans.
pub async fn watching(url: &str) -> Arc<Cerbos> {
    let cerbos = Arc::new(client(url));
    cerbos.watch();
    crate::harness::until("the sentinel", async || cerbos.heard().then_some(())).await;
    cerbos
}

/// Actors with each role alone, with none and with all, in two organizations.
pub fn actors(tom: Uuid) -> Vec<Actor> {
    let mut actors = Vec::new();
    for organization in [0xf1, 0xf2] {
        for roles in Role::ALL.iter().map(|role| vec![*role]).chain([Vec::new(), Role::ALL.to_vec()]) {
            let nobody = Actor::own_scope(PrincipalId(Uuid::from_u128(1)), PrincipalKind::Human);
            let organization = OrganizationId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 + organization));
            // Tom holds a delegation at home.
            for (principal, delegated) in [(nobody.principal, false), (PrincipalId(tom), true)] {
                let organization_type = Some("CONCIERGE_OPERATOR".to_owned());
                let roles = roles.clone();
                actors.push(Actor { roles, organization, organization_type, principal, delegated, ..nobody.clone() });
            }
        }
    }
    actors
}

/// Asserts for each actor that SQL selects, the evaluator allows and the PDP allows the same rows.
async fn agree<E>(world: &World, kind: &'static str, all: sea_orm::Select<E>)
where
    E: EntityTrait,
    E::Model: Row + Clone,
{
    let db = SqlxPostgresConnector::from_sqlx_postgres_pool(world.sql.clone());
    let cerbos = watching(world.cluster.cerbos_url()).await;
    let rows = all.clone().all(&db).await.expect("rows");
    assert!(!rows.is_empty(), "no {kind} to judge");
    let mut seen = 0;
    let tom = sqlx::query_scalar("SELECT id FROM principal WHERE subject = 'tom'").fetch_one(&world.sql).await.expect("tom");
    for actor in actors(tom) {
        let filter =
            cerbos.query_filter(&actor, "read", kind, Sight::Across).await.unwrap_or_else(|error| panic!("{:?}", error.cause()));
        let selected = all.clone().filter(filter).all(&db).await.expect("rows");
        let selected: BTreeSet<Uuid> = selected.iter().map(Row::id).collect();
        let rule = cerbos.rule(&actor, "read", kind).await.unwrap_or_else(|error| panic!("{:?}", error.cause()));
        let (mut evaluated, mut checked) = (BTreeSet::new(), BTreeSet::new());
        for row in &rows {
            let delegations = match row.delegable() {
                Some(what) if actor.delegated => delegated::over(&db, row.organization(), what, actor.principal).await,
                _ => Ok(Vec::new()),
            };
            let delegations = delegations.unwrap_or_else(|error| panic!("{:?}", error.cause()));
            let seen = Seen::of(row.clone(), actor.organization, delegations);
            let Judged::One(resource) = seen.judged() else { panic!("one row") };
            if rule.allows(&json!({ "id": resource.id, "attr": resource.attributes }), super::now()) {
                evaluated.insert(row.id());
            }
            let check = Check { action: "read", resource };
            if cerbos.check(&actor, &[check]).await.unwrap_or_else(|error| panic!("{:?}", error.cause())) == [true] {
                checked.insert(row.id());
            }
        }
        assert_eq!((&selected, &evaluated), (&checked, &checked), "{kind} as {:?}", actor.roles);
        // The filter for `Sight::Own` gives the same among rows of the acting organization.
        let own =
            cerbos.query_filter(&actor, "read", kind, Sight::Own).await.unwrap_or_else(|error| panic!("{:?}", error.cause()));
        let own = all.clone().filter(own).all(&db).await.expect("rows");
        let of_own = |rows: &[E::Model]| -> BTreeSet<Uuid> {
            rows.iter().filter(|row| row.organization() == actor.organization).map(Row::id).collect()
        };
        let checked_own: BTreeSet<Uuid> = of_own(&rows).intersection(&checked).copied().collect();
        assert_eq!(of_own(&own), checked_own, "{kind} as {:?}", actor.roles);
        seen += checked.len();
    }
    assert!(seen > 0, "nobody sees any {kind}");
}

/// The same, made where it stands: a test of every kind has not the stack for all of them.
fn judged<'a, E>(world: &'a World, kind: &'static str, all: sea_orm::Select<E>) -> Pin<Box<dyn Future<Output = ()> + 'a>>
where
    E: EntityTrait,
    E::Model: Row + Clone,
{
    Box::pin(agree(world, kind, all))
}

#[tokio::test]
async fn sql_memory_and_the_pdp_agree_on_our_own_rows() {
    let world = World::new().await;
    Examples::new(&world).await;
    let other = person("oscar");
    let elsewhere = world.found(&other, "TRUST_OR_LLC").await;
    world.create_property(&other, elsewhere, "2 Second Street").await;
    macro_rules! agree_on {
        ($($kind:ident)*) => {
            for kind in kinds() {
                match kind.name {
                    $(entities::$kind::KIND => judged(&world, entities::$kind::KIND, entities::$kind::Entity::find()).await,)*
                    // No single row of the projection is ever judged.
                    entities::engaged_property::KIND => {}
                    // Below.
                    name if entities::kind(name).is_some_and(|kind| kind.view) => {}
                    other => panic!("{other}: judge its rows here"),
                }
            }
        };
    }
    #[expect(clippy::disallowed_methods, reason = "every row, by the superuser: the judge sees all")]
    {
        agree_on!(
            access_grant block case case_link case_note case_question contact delegation external_party financial_entry history intent
            internal_note membership operation organization ownership portfolio property service_level work_item
        );
    }
}

/// Who may know whose name: the same in SQL, in memory and by the PDP.
#[tokio::test]
async fn sql_memory_and_the_pdp_agree_on_who_is_known() {
    let world = World::new().await;
    let cerbos = watching(world.cluster.cerbos_url()).await;
    let id = Uuid::from_u128(7);
    let (mut yes, mut no) = (0, 0);
    for kind in entities::KINDS.iter().filter(|kind| kind.view).map(|kind| kind.name) {
        for actor in actors(id) {
            for relation in ["OWN", "STAFF", "DESK", "ENGAGER", "LISTED"] {
                let resource = Resource { kind, id, attributes: json!({ "relation": relation }), version: None };
                let rule = cerbos.rule(&actor, "read", kind).await.unwrap_or_else(|error| panic!("{:?}", error.cause()));
                let evaluated = rule.allows(&json!({ "id": id, "attr": resource.attributes }), super::now());
                let known = entities::kind(kind).expect("a kind").columns[0].texts;
                if !known.contains(&relation) {
                    continue;
                }
                let check = Check { action: "read", resource };
                let checked =
                    cerbos.check(&actor, &[check]).await.unwrap_or_else(|error| panic!("{:?}", error.cause())) == [true];
                let condition = cerbos.query_filter(&actor, "read", kind, Sight::Own).await;
                let condition = condition.unwrap_or_else(|error| panic!("{:?}", error.cause()));
                let row = Query::select().expr_as(Expr::val(id), "id").expr_as(Expr::val(relation), "relation").take();
                let select = Query::select().expr(Expr::val(1)).from_subquery(row, kind).cond_where(condition).to_owned();
                let db = SqlxPostgresConnector::from_sqlx_postgres_pool(world.sql.clone());
                let selected = db.query_one(&select).await.expect("a row").is_some();
                assert_eq!((selected, evaluated), (checked, checked), "{kind} {relation} as {:?}", actor.roles);
                if checked { yes += 1 } else { no += 1 }
            }
        }
    }
    assert!(yes > 20 && no > 20, "{yes} and {no}");
}

/// Conditions that a plan cannot tell (see the page of `authz/queryplan`) are in no policy of ours.
#[test]
fn the_shipped_policies_only_allow_and_ask_for_no_presence() {
    let mut looked = 0;
    for entry in std::fs::read_dir(root().join("authz/policies")).expect("policies") {
        let path = entry.expect("a policy").path();
        if path.extension().is_some_and(|kind| kind == "yaml") {
            let text = std::fs::read_to_string(&path).expect("a policy");
            for absent in ["EFFECT_DENY", "none:", "has("] {
                assert!(!text.contains(absent), "{} has {absent}", path.display());
            }
            looked += 1;
        }
    }
    assert!(looked > 5);
}

/// The gateway's binary with a PDP of its own, on a world's database.
fn start(world: &World, cerbos: &str, arguments: &[&str]) -> Output {
    let keys = folder("rehearsal").join("jwks.json");
    std::fs::write(&keys, SECRETS.jwks().expect("keys").to_string()).expect("a file");
    let mut environment = crate::harness::process_environment(world, &keys);
    environment.insert("CERBOS_URL".into(), cerbos.into());
    let environment = environment.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()));
    let mut command = Command::new(crate::harness::binary());
    command.args(arguments).env_clear().envs(environment).current_dir(root());
    command.output().expect("it runs")
}

#[tokio::test]
async fn policies_that_cannot_filter_a_list_stop_the_start() {
    let world = World::new().await;
    let policies = folder("untranslatable-source");
    copied(&root().join("authz/policies"), &policies);
    let path = policies.join("property.yaml");
    let text = std::fs::read_to_string(&path).expect("a policy");
    let rule = "  rules:\n    - actions: [read]\n      effect: EFFECT_ALLOW\n      roles: [principal]\n      condition: {match: {expr: R.attr.status.matches(\"^ACT\")}}\n";
    std::fs::write(&path, text.replacen("  rules:\n", rule, 1)).expect("written");
    let folders = Folders::lay_out(&folder("untranslatable"), &root().join("embedded/node_modules")).expect("folders");
    let spawner = Spawner::start().expect("a spawner");
    let (_child, url) = start_cerbos(&spawner, &folders, &policies).await.expect("Cerbos starts");
    for command in ["serve", "check-config"] {
        let output = start(&world, &url, &[command]);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(
            !output.status.success() && said.contains("the operator matches") && said.contains("property"),
            "{command}: {said}"
        );
    }
    // Policies that were rehearsed by this binary are not asked for their plans again; others are.
    let shipped = root().join("authz/policies");
    let started = async |cerbos: &str, policies: &std::path::Path| {
        let policies = ("HESTAMI_POLICIES".to_owned(), policies.display().to_string());
        let config = server::config::Reader::new([policies].into_iter()).finish().expect("a configuration");
        let url = world.cluster.url("hestami_app", &world.database);
        server::rehearsal::once(&client(cerbos), &config, &url).await.map_err(|fault| fault.to_string())
    };
    assert_eq!(started(cluster().await.cerbos_url(), &shipped).await, Ok(()));
    assert_eq!(started(&url, &shipped).await, Ok(()));
    assert!(started(&url, &policies).await.is_err_and(|fault| fault.contains("the operator matches")));
    assert_eq!(world.count("SELECT count(*) FROM rehearsal").await, 1);
    // A policy that cannot be translated gives INTERNAL at run time, never all rows.
    let owner = Actor { roles: vec![Role::Owner], ..Actor::own_scope(PrincipalId(Uuid::from_u128(1)), PrincipalKind::Human) };
    let refused = client(&url).query_filter(&owner, "read", "property", Sight::Across).await;
    assert_eq!(refused.map(drop).map_err(|error| error.code()), Err(schema::Code::INTERNAL));
}

#[tokio::test]
async fn a_plan_is_kept_only_while_the_policies_are_the_same_and_use_no_clock() {
    let shipped = Bundle::of(&root().join("authz/policies")).expect("policies");
    assert!(!shipped.contains(" clock"), "a shipped policy uses the clock: {shipped}");
    assert!(shipped.ends_with(" shared"), "a shipped policy tells people apart: {shipped}");
    let (policies, said) = with_a_rule("clock-source", "now() > timestamp('2020-01-01T00:00:00Z')");
    assert!(said.contains(" clock"), "{said}");
    let folders = Folders::lay_out(&folder("clock"), &root().join("embedded/node_modules")).expect("folders");
    let spawner = Spawner::start().expect("a spawner");
    let (_child, url) = start_cerbos(&spawner, &folders, &policies).await.expect("Cerbos starts");

    let owner = Actor { roles: vec![Role::Owner], ..Actor::own_scope(PrincipalId(Uuid::from_u128(1)), PrincipalKind::Human) };
    for (url, kept) in [(url.as_str(), false), (cluster().await.cerbos_url(), true)] {
        let cerbos = Arc::new(client(url));
        cerbos.watch();
        let heard = crate::harness::until("the sentinel", async || {
            let one = cerbos.rule(&owner, "read", "property").await.ok()?;
            let two = cerbos.rule(&owner, "read", "property").await.ok()?;
            // No plan is kept until the sentinel was heard.
            let same = Arc::ptr_eq(&one, &two);
            (same || (!kept && cerbos.heard())).then_some(same)
        })
        .await;
        assert_eq!(heard, kept);
    }
}

/// Policies with one more rule to read an operation, under their own sentinel.
fn with_a_rule(name: &str, condition: &str) -> (std::path::PathBuf, String) {
    let shipped = Bundle::of(&root().join("authz/policies")).expect("policies");
    let policies = folder(name);
    copied(&root().join("authz/policies"), &policies);
    let path = policies.join("operation.yaml");
    let text = std::fs::read_to_string(&path).expect("a policy");
    let rule = format!(
        "  rules:\n    - actions: [read]\n      effect: EFFECT_ALLOW\n      roles: [principal]\n      condition: {{match: {{expr: {condition}}}}}\n"
    );
    std::fs::write(&path, text.replacen("  rules:\n", &rule, 1)).expect("written");
    let said = Bundle::of(&policies).expect("policies");
    let sentinel = std::fs::read_to_string(policies.join("sentinel.yaml")).expect("a sentinel");
    std::fs::write(policies.join("sentinel.yaml"), sentinel.replace(&shipped, &said)).expect("written");
    (policies, said)
}

/// A rule for somebody else of the same kind needs the PDP only where the policies tell people apart.
#[tokio::test]
async fn one_plan_serves_all_whom_the_policies_do_not_tell_apart() {
    let of = |who: u128, organization: u128| Actor {
        roles: vec![Role::Owner],
        delegated: true,
        organization: OrganizationId(Uuid::from_u128(organization)),
        ..Actor::own_scope(PrincipalId(Uuid::from_u128(who)), PrincipalKind::Human)
    };
    let allows = |rule: &queryplan::Rule, initiator: u128| {
        let attributes = json!({ "relation": "OWN", "initiator": Uuid::from_u128(initiator), "state": "COMPLETED" });
        rule.allows(&json!({ "id": Uuid::from_u128(9), "attr": attributes }), super::now())
    };
    let robert = format!("P.id == '{}'", Uuid::from_u128(1));
    let spawner = Spawner::start().expect("a spawner");
    for (name, condition, shared) in [("alike", "R.attr.state == P.attr.organization", true), ("apart", robert.as_str(), false)] {
        let (policies, said) = with_a_rule(&format!("{name}-source"), condition);
        assert_eq!(said.ends_with(" shared"), shared, "{said}");
        let folders = Folders::lay_out(&folder(name), &root().join("embedded/node_modules")).expect("folders");
        let (mut child, url) = start_cerbos(&spawner, &folders, &policies).await.expect("Cerbos starts");
        let cerbos = watching(&url).await;
        // The actors are no owners: each may read only the operations that they began.
        let (one, two) = (Actor { roles: Vec::new(), ..of(1, 2) }, Actor { roles: Vec::new(), ..of(3, 4) });
        let first = cerbos.rule(&one, "read", "operation").await.expect("a rule");
        assert!(allows(&first, 1));
        assert_eq!(allows(&first, 3), !shared, "the policy lets this one person read all");
        // Delegated actions are asked of the row: the rule is the same for every delegate.
        let delegate = cerbos.rule(&one, "read", "property").await.expect("a rule");
        child.stop(Signal::SIGKILL).await;
        match cerbos.rule(&two, "read", "operation").await {
            Ok(second) => assert!(shared && allows(&second, 3) && !allows(&second, 1)),
            Err(error) => assert!(!shared && error.code() == schema::Code::UNAVAILABLE),
        }
        match cerbos.rule(&two, "read", "property").await {
            Ok(another) => assert!(shared && Arc::ptr_eq(&another, &delegate)),
            Err(error) => assert!(!shared && error.code() == schema::Code::UNAVAILABLE),
        }
        // Another kind of person is another plan.
        let trustee = Actor { roles: vec![Role::Trustee], ..of(3, 4) };
        assert!(cerbos.rule(&trustee, "read", "operation").await.is_err());
    }
}

#[tokio::test]
async fn a_plan_is_renewed_beside_those_who_use_it() {
    let owner = Actor { roles: vec![Role::Owner], ..Actor::own_scope(PrincipalId(Uuid::from_u128(1)), PrincipalKind::Human) };
    let life = std::time::Duration::from_secs(6);
    let settings = Settings { life: [life, life], ..Settings::new(cluster().await.cerbos_url()) };
    let cerbos = Arc::new(Cerbos::new(settings).expect("a client"));
    cerbos.watch();
    let (first, asked) = crate::harness::until("a plan that is kept", async || {
        let before = std::time::Instant::now();
        let one = cerbos.rule(&owner, "read", "property").await.ok()?;
        let two = cerbos.rule(&owner, "read", "property").await.ok()?;
        Arc::ptr_eq(&one, &two).then_some((one, before))
    })
    .await;
    crate::harness::until("another plan", async || {
        let rule = cerbos.rule(&owner, "read", "property").await.ok()?;
        (!Arc::ptr_eq(&rule, &first)).then_some(())
    })
    .await;
    assert!(asked.elapsed() < life, "the old one could not be used any more: somebody waited for the new one");
}
