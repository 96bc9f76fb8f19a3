//! State machines: their declared tables match the database and the procedures.

use crate::harness::cluster;
use schema::{OperationState, Role};

/// Columns named `state` that no `states!` declares, with the values that may be in them.
fn others() -> Vec<(&'static str, Vec<&'static str>)> {
    // Operations are moved by the waist's own statements, each of which says from where.
    let operations = OperationState::ALL.iter().map(|state| state.as_str()).collect();
    // A queue repeats the states of what waits in it.
    let items = entities::work_item::WorkItemState::ALL.iter().map(|state| state.as_str()).collect();
    vec![("operation", operations), ("work_item", items)]
}

#[test]
fn every_state_is_reached_by_procedures_that_there_are() {
    assert!(!entities::MACHINES.is_empty());
    for machine in entities::MACHINES {
        assert_eq!(machine.unreachable(), Vec::<&str>::new(), "{}", machine.name);
        for step in machine.moves {
            assert!(!step.by.is_empty(), "{} to {}", machine.name, step.to);
            for name in step.by {
                let entry = resolvers::TABLE.iter().find(|entry| entry.name() == *name);
                let entry = entry.unwrap_or_else(|| panic!("{} is moved by {name}, which is not there", machine.name));
                assert!(entry.is_mutation(), "{name}");
                for field in step.given {
                    assert!(!entry.example()[field].is_null(), "{name}: its example gives no {field}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_database_knows_the_same_states() {
    let cluster = cluster().await;
    let mut sql = cluster.connect("postgres", &cluster.database().await).await;
    let checks: Vec<(String, Option<String>)> = sqlx::query_as(
        "SELECT t.relname::text, pg_get_constraintdef(c.oid)
         FROM pg_attribute a JOIN pg_class t ON t.oid = a.attrelid
         LEFT JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype = 'c' AND c.conkey = ARRAY[a.attnum]
         WHERE t.relnamespace = 'public'::regnamespace AND t.relkind IN ('r', 'p') AND a.attname = 'state' ORDER BY 1",
    )
    .fetch_all(&mut sql)
    .await
    .expect("columns");
    let mut declared = others();
    declared.extend(entities::MACHINES.iter().map(|machine| (machine.table, machine.states.to_vec())));
    let mut tables: Vec<&str> = declared.iter().map(|(table, _)| *table).collect();
    tables.sort_unstable();
    assert_eq!(checks.iter().map(|(table, _)| table.as_str()).collect::<Vec<_>>(), tables, "each has one machine, and one CHECK");
    for (table, check) in &checks {
        let check = check.as_deref().unwrap_or_else(|| panic!("{table}.state has no CHECK"));
        let mut said: Vec<&str> = check.split('\'').skip(1).step_by(2).collect();
        let mut states = declared.iter().find(|(name, _)| name == table).map(|(_, states)| states.clone()).unwrap_or_default();
        said.sort_unstable();
        states.sort_unstable();
        assert_eq!(said, states, "{table}: {check}");
    }
}

#[tokio::test]
async fn the_roles_that_stand_for_an_owner_are_said_alike() {
    let cluster = cluster().await;
    let mut app = cluster.connect("hestami_app", &cluster.database().await).await;
    for role in Role::ALL {
        let stands: bool =
            sqlx::query_scalar("SELECT app.stands_for_owner($1)").bind(role.as_str()).fetch_one(&mut app).await.expect("a word");
        assert_eq!(stands, role.stands_for_owner(), "{role:?}");
    }
    // No other function or view in the database spells the list.
    let mut sql = cluster.connect("postgres", &cluster.database().await).await;
    let spelled: Vec<String> = sqlx::query_scalar(
        "SELECT proname::text FROM pg_proc WHERE pronamespace = 'app'::regnamespace AND prosrc ~ 'TRUSTEE'
         UNION ALL SELECT viewname::text FROM pg_views WHERE schemaname = 'public' AND definition ~ 'TRUSTEE'",
    )
    .fetch_all(&mut sql)
    .await
    .expect("names");
    assert_eq!(spelled, ["stands_for_owner"]);
}
