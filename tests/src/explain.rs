//! Lists at size: each finds its page by an index, under row security and the policy's filter.

use crate::harness::{Contract, Explain, Options, World, person, shown_by};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

/// 1,000 rows like the kind's sample in each organization of the crowd, each with a name of its own.
fn of_each(table: &str, sample: Value) -> String {
    let columns: Vec<&str> = sample.as_object().expect("columns").keys().map(String::as_str).collect();
    let columns: Vec<&str> = columns.into_iter().filter(|column| !["id", "name"].contains(column)).collect();
    let columns = columns.join(", ");
    format!(
        "INSERT INTO {table} (organization_id, id, name, created_at, updated_at, {columns})
           SELECT c.id, gen_random_uuid(), 'No. ' || n, now(), now(), {columns}
           FROM crowd c, generate_series(1, 1000) n, (SELECT {columns} FROM jsonb_populate_record(NULL::{table}, '{sample}')) s;
         ANALYZE {table};"
    )
}

/// 100 organizations with 1,000 rows of each kind; the person's own is one of them. Of grants each gave 100: row security asks
/// for either side of a grant, so that a list of them is sorted from all that the organization gave.
async fn crowded(world: &World, home: Uuid) {
    let sampled: String = entities::KINDS.iter().filter_map(|kind| Some(of_each(kind.name, kind.api?.sample()?))).collect();
    let sql = format!(
        "SET session_replication_role = replica; CREATE TEMPORARY TABLE crowd AS SELECT CASE WHEN n = 1 THEN '{home}'::uuid ELSE gen_random_uuid() END AS id FROM generate_series(1, 100) n;
         INSERT INTO organization (id, type, name, created_at, updated_at) SELECT id, 'TRUST_OR_LLC', 'One of many', now(), now() FROM crowd WHERE id <> '{home}';
         INSERT INTO property (organization_id, id, kind, line1, locality, country, time_zone, status, created_at, updated_at)
           SELECT id, gen_random_uuid(), 'LAND', n || ' First Street', 'Tucson', 'US', 'America/Phoenix', 'ACTIVE', now(), now() + n * interval '1 second'
           FROM crowd, generate_series(1, 1000) n;
         INSERT INTO operation (organization_id, id, procedure, key, fingerprint, initiator, actor, authority, state, outcome, created_at, updated_at)
           SELECT id, gen_random_uuid(), 'property/v1/create', gen_random_uuid(), '', id, '{{\"kind\": \"HUMAN\"}}', '{{}}', 'COMPLETED', '{{}}', now(), now()
           FROM crowd, generate_series(1, 1000) n;
         {sampled}
         INSERT INTO portfolio_property (organization_id, portfolio_id, property_id, position, added_at)
           SELECT organization_id, g.id, p.id, 0, now() FROM portfolio g JOIN property p USING (organization_id)
           WHERE split_part(g.name, ' ', 2) = split_part(p.line1 COLLATE \"C\", ' ', 1);
         INSERT INTO principal (id, kind, issuer, subject, created_at, updated_at) SELECT id, 'HUMAN', 'crowd', id::text, now(), now() FROM crowd;
         INSERT INTO ownership (organization_id, id, property_id, holder_name, capacity, share_basis_points, starts_on, recorded_by, created_at, updated_at)
           SELECT organization_id, gen_random_uuid(), id, line1, 'OWNER', 10000, '2020-01-01'::date + (random() * 1000)::int, organization_id, now(), now() FROM property;
         INSERT INTO financial_entry (organization_id, id, property_id, kind, amount_minor, currency, booked_on, source, recorded_by, created_at, updated_at)
           SELECT organization_id, gen_random_uuid(), id, 'RENT', 100, 'USD', '2020-01-01'::date + (random() * 1000)::int, 'x', organization_id, now(), now() FROM property;
         INSERT INTO delegation (organization_id, id, holder_id, grantor_id, root_id, actions, may_delegate, starts_at, state, created_at, updated_at)
           SELECT organization_id, id, organization_id, organization_id, organization_id, '{{READ}}', false, now(), 'ACTIVE', now(), now() FROM property;
         INSERT INTO membership (organization_id, id, email, role, state, starts_at, invited_by, created_at, updated_at)
           SELECT organization_id, id, id || '@example.com', 'TRUSTEE', 'INVITED', now() - random() * interval '1 day', '00000000-0000-7000-8000-000000000001', now(), now() FROM property;
         INSERT INTO block (organization_id, id, principal_id, blocked_by, of_owner, ended_at, created_at, updated_at)
           SELECT organization_id, id, organization_id, organization_id, false, now(), now(), now() FROM property;
         INSERT INTO intent (organization_id, id, number, text, property_id, priority, priority_rank, must_nots, state, suggested_kind, suggested_domain,
           suggested_urgency, suggested_confidence, suggested_words, submitted_by, submitter_organization_id, created_at, updated_at)
           SELECT organization_id, id, split_part(line1, ' ', 1)::int, 'Mend it', id, 'NORMAL', 1 + (random() * 3)::int, '{{}}', 'SUBMITTED', 'REPAIR',
             'PROPERTY', 'NORMAL', 80, '{{}}', organization_id, organization_id, now(), updated_at FROM property;
         INSERT INTO concierge_case (organization_id, id, number, title, kind, property_id, priority, priority_rank, state, due_sort, opened_by, opener_organization_id,
           lifecycle, worked_seconds, told, reopened_count, created_at, updated_at)
           SELECT organization_id, id, split_part(line1, ' ', 1)::int, 'Mend it', 'REPAIR', id, 'NORMAL', 1 + (random() * 3)::int, 'NEW',
             now() + random() * interval '9 days', organization_id, organization_id, 1, 0, '{{}}', 0, now(), updated_at FROM property;
         INSERT INTO case_note (organization_id, id, case_id, text, author_id, author_organization_id, created_at, updated_at)
           SELECT organization_id, id, id, 'Seen to', organization_id, organization_id, now(), now() FROM property;
         INSERT INTO case_question (organization_id, id, case_id, text, choices, state, asked_by, asker_organization_id, created_at, updated_at)
           SELECT organization_id, id, id, 'Zinc?', '{{}}', 'OPEN', organization_id, organization_id, now(), now() FROM property;
         INSERT INTO case_link (organization_id, id, case_id, other_id, kind, linked_by, created_at, updated_at)
           SELECT organization_id, id, id, gen_random_uuid(), 'FOLLOWS', organization_id, now(), now() FROM property;
         INSERT INTO internal_note (organization_id, id, owner_organization_id, case_id, text, author_id, created_at, updated_at)
           SELECT organization_id, id, gen_random_uuid(), id, 'For us', organization_id, now(), now() FROM property;
         INSERT INTO service_level (organization_id, id, starts_at, acknowledge_low, acknowledge_normal, acknowledge_high, acknowledge_urgent, resolve_low,
           resolve_normal, resolve_high, resolve_urgent, hours, holidays, time_zone, follows_property, pauses_for_owner, pauses_for_others, remind_minutes,
           close_days, reopen_days, created_at, updated_at)
           SELECT organization_id, id, updated_at, 1, 1, 1, 1, 1, 1, 1, 1, '{{MON 09:00-17:00}}', '{{}}', 'UTC', true, true, true, 1, 7, 30, now(), now() FROM property;
         INSERT INTO organization (id, type, name, version, created_at, updated_at)
           SELECT gen_random_uuid(), o.type, 'Owner', 1, now(), now() FROM organization o WHERE o.id IN (SELECT organization_id FROM property) LIMIT 1;
         INSERT INTO access_grant (organization_id, id, grantee_organization_id, kind, scopes, asked_from, starts_at, accepted_at, granted_by, created_at, updated_at)
           SELECT w.id, gen_random_uuid(), o.organization_id, 'ENGAGEMENT', '{{act}}', '2020-01-01', '2020-01-01', '2020-01-01', w.id, now(), now()
           FROM organization w, (SELECT DISTINCT organization_id FROM property) o WHERE w.name = 'Owner';
         INSERT INTO work_item (organization_id, id, owner_organization_id, item_id, kind, case_id, number, title, state, priority, priority_rank, due_sort,
           waiting_for, late, version, created_at, updated_at)
           SELECT organization_id, id, (SELECT w.id FROM organization w WHERE w.name = 'Owner'), id, 'CASE', id, 'C-1', 'Mend it', 'NEW', 'NORMAL', 1 + (random() * 3)::int,
             now() + random() * interval '9 days', 'DESK', false, 1, now() - random() * interval '9 days', updated_at FROM property;
         ANALYZE intent; ANALYZE work_item; ANALYZE concierge_case; ANALYZE case_note; ANALYZE case_question; ANALYZE case_link; ANALYZE internal_note; ANALYZE service_level;
         INSERT INTO delegation_item (organization_id, id, delegation_id, property_id) SELECT organization_id, id, id, id FROM property;
         INSERT INTO access_grant (organization_id, id, grantee_organization_id, kind, scopes, asked_from, starts_at, accepted_at, granted_by, created_at, updated_at)
           SELECT organization_id, id, id, 'ENGAGEMENT', '{{read}}', now(), now(), now(), organization_id, now(), now() FROM property
           WHERE split_part(line1, ' ', 1)::int <= 100;
         INSERT INTO event (organization_id, seq, kind, resource_kind, resource_id, version, actor, actor_kind, actor_organization_id, operation_id, change, at)
           SELECT organization_id, 1 + row_number() OVER (PARTITION BY organization_id ORDER BY id), 'property.created', 'property', id, 1, organization_id, 'HUMAN', organization_id, gen_random_uuid(), '{{}}', now() FROM property;
         INSERT INTO org_head (organization_id, event_seq) SELECT id, 1001 FROM crowd ON CONFLICT (organization_id) DO UPDATE SET event_seq = 1001;
         ANALYZE event; ANALYZE org_head;
         ANALYZE ownership; ANALYZE financial_entry; ANALYZE delegation; ANALYZE delegation_item; ANALYZE membership; ANALYZE access_grant;
         ANALYZE portfolio_property; ANALYZE organization; ANALYZE property; ANALYZE operation;"
    );
    world.sql.acquire().await.expect("a connection").execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.expect("a crowd");
}

#[tokio::test]
async fn lists_of_100_000_rows_are_read_by_index() {
    let cluster = crate::harness::cluster().await;
    let database = Explain::database(cluster).await;
    let world = World::on(cluster, database, Options::default()).await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    crowded(&world, home).await;
    let contract = Contract::read().await;
    // The projection of engaged owners' properties is read below.
    let ordered = contract.get("Query").fields.iter().filter(|field| field.name != "engagedProperties");
    let ordered = ordered.filter_map(|field| Some((field.name.as_str(), field.paged()?, field.argument("orderBy")?.of.as_str())));
    for (list, object, order_type) in ordered {
        let table = shown_by(object).unwrap_or_else(|| panic!("{list}: which kind does {object} show?"));
        let table = entities::kind(table.name).expect("a kind").resource.table;
        let orders = &contract.get(order_type).values;
        assert!(!orders.is_empty());
        for order in orders {
            let mut after = Value::Null;
            for page in ["the first page", "the next"] {
                let query = format!(
                    "query ($after: String, $order: {order_type}) {{ {list}(first: 20, after: $after, orderBy: $order) {{ edges {{ node {{ id }} }} pageInfo {{ endCursor }} }} }}"
                );
                let explain = Explain::of(&world);
                let answer = world.gql(&owner, Some(home), &query, json!({ "after": after, "order": order })).await;
                assert_eq!(answer.data()[list]["edges"].as_array().map(Vec::len), Some(20), "{page} of {list} by {order}");
                after = answer.data()[list]["pageInfo"]["endCursor"].clone();
                for statement in explain.statements(table).await {
                    statement.uses_index(table);
                }
            }
        }
    }
    // The changes since a cursor, from the midst of a long log.
    let now = world.rpc(&owner, Some(home), "change/v1/list", json!({})).await.ok()["cursor"].clone();
    let now = now.as_str().expect("a cursor");
    let midst = format!("{}{:016x}{}", &now[..33], 500, &now[49..]);
    let explain = Explain::of(&world);
    let page = world.rpc(&owner, Some(home), "change/v1/list", json!({ "after": midst, "first": 20 })).await;
    assert_eq!((page.ok()["items"].as_array().map(Vec::len), &page.ok()["hasMore"]), (Some(20), &json!(true)));
    for statement in explain.statements("event").await {
        statement.uses_index("event");
    }
    for statement in explain.statements("property").await {
        statement.uses_index("property");
    }
    // A relation below a list is one statement, by index as well.
    let explain = Explain::of(&world);
    let query = "{ properties(first: 20) { edges { node { id hoa { name } portfolios { name } ownerships { holderName property { id } } } } } }";
    let answer = world.gql(&owner, Some(home), query, json!({})).await;
    assert!(!answer.data()["properties"]["edges"][0]["node"]["portfolios"][0]["name"].is_null());
    for table in ["property", "portfolio"] {
        for statement in explain.statements(table).await {
            statement.uses_index(table);
            statement.uses_index("portfolio_property");
        }
    }
    for statement in explain.statements("ownership").await {
        statement.uses_index("ownership");
    }
    // Pages of many parents are one statement by index as well.
    for order in ["CREATED_ASC", "CREATED_DESC"] {
        let explain = Explain::of(&world);
        let query = "query ($order: PropertyOrder) { portfolios(first: 20) { edges { node {
            properties(first: 5, orderBy: $order) { edges { node { id ownerships { holderName } } } } } } } }";
        let answer = world.gql(&owner, Some(home), query, json!({ "order": order })).await;
        let node = &answer.data()["portfolios"]["edges"][19]["node"]["properties"]["edges"][0]["node"];
        assert!(node["ownerships"][0]["holderName"].is_string(), "{node:#}");
        for table in ["property", "ownership"] {
            let statements = explain.statements(table).await;
            assert_eq!(statements.len(), 1, "{order}: {statements:#?}");
            statements[0].uses_index(table);
        }
    }
    let explain = Explain::of(&world);
    let query = "{ portfolios(first: 1) { edges { node { properties(first: 20) { edges { node { id } } } } } } }";
    world.gql(&owner, Some(home), query, json!({})).await.data();
    for statement in explain.statements("property").await {
        statement.uses_index("portfolio_property");
        statement.uses_index("property");
    }
}

/// A concierge whom 10,000 owners of 20 properties each engaged.
async fn engaged(world: &World, home: Uuid, desk: Uuid) {
    let sql = format!(
        "SET session_replication_role = replica;
         CREATE TEMPORARY TABLE crowd AS SELECT CASE WHEN n = 1 THEN '{home}'::uuid ELSE gen_random_uuid() END AS id FROM generate_series(1, 10000) n;
         INSERT INTO organization (id, type, name, created_at, updated_at) SELECT id, 'TRUST_OR_LLC', 'One of many', now(), now() FROM crowd WHERE id <> '{home}';
         INSERT INTO property (organization_id, id, kind, line1, locality, country, time_zone, status, created_at, updated_at)
           SELECT id, gen_random_uuid(), 'LAND', n || ' First Street', 'Tucson', 'US', 'America/Phoenix', 'ACTIVE', now(), now() - random() * interval '1 year'
           FROM crowd, generate_series(1, 20) n;
         INSERT INTO access_grant (organization_id, id, grantee_organization_id, kind, scopes, asked_from, starts_at, accepted_at, granted_by, created_at, updated_at)
           SELECT id, gen_random_uuid(), '{desk}', 'ENGAGEMENT', '{{act}}', '2020-01-01', '2020-01-01', '2020-01-01', id, now(), now() FROM crowd;
         INSERT INTO engaged_property (organization_id, owner_organization_id, property_id, kind, status, line1, locality, region, country, updated_at)
           SELECT '{desk}', organization_id, id, kind, status, line1, locality, region, country, updated_at FROM property;
         SET session_replication_role = origin;
         INSERT INTO work_item (organization_id, id, owner_organization_id, item_id, kind, case_id, number, title, state, priority, priority_rank, due_at, due_sort,
           waiting_for, late, version, created_at, updated_at)
           SELECT '{desk}', id, organization_id, id, 'CASE', id, 'C-1', 'Mend it', 'NEW', 'NORMAL', 1 + (random() * 3)::int, due, due, 'DESK', false, 1,
             updated_at, updated_at FROM property, LATERAL (SELECT '2026-09-21'::timestamptz + n * interval '37 seconds' AS due FROM (SELECT split_part(line1, ' ', 1)::int * 7919 % 100000 AS n) AS s) AS d;
         SELECT app.work_item_add_up(2000000); ANALYZE work_item; ANALYZE work_item_tally; ANALYZE work_item_owner; ANALYZE work_item_delta;
         ANALYZE organization; ANALYZE property; ANALYZE access_grant; ANALYZE engaged_property;"
    );
    world.sql.acquire().await.expect("a connection").execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.expect("a crowd");
}

#[tokio::test]
async fn what_10_000_owners_of_200_000_properties_engaged_is_read_by_index() {
    let cluster = crate::harness::cluster().await;
    let database = Explain::database(cluster).await;
    let world = World::on(cluster, database, Options::default()).await;
    let (owner, staff) = (person("olga"), person("sam"));
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let desk = world.found(&staff, "CONCIERGE_OPERATOR").await;
    engaged(&world, home, desk).await;
    let fields = "edges { node { id organizationId address { line1 } } } pageInfo { endCursor }";
    let contract = Contract::read().await;
    let orders = &contract.get("PropertyOrder").values;
    for order in orders {
        let mut after = Value::Null;
        for page in ["the first page", "the next"] {
            let query = format!(
                "query ($after: String, $order: PropertyOrder) {{ engagedProperties(first: 50, after: $after, orderBy: $order) {{ {fields} }} }}"
            );
            let explain = Explain::of(&world);
            let answer = world.gql(&staff, Some(desk), &query, json!({ "after": after, "order": order })).await;
            let edges = answer.data()["engagedProperties"]["edges"].as_array().cloned().unwrap_or_default();
            assert_eq!(edges.len(), 50, "{page} by {order}");
            after = answer.data()["engagedProperties"]["pageInfo"]["endCursor"].clone();
            for table in ["engaged_property", "property"] {
                let statements = explain.statements(table).await;
                assert_eq!(statements.len(), 1, "one statement a table, {page} by {order}");
                for statement in statements {
                    statement.uses_index(table);
                    assert!(!statement.plan.contains("Seq Scan on access_grant"), "{}", statement.plan);
                }
            }
        }
    }
    // The engaged owners, a page at a time, each with a few properties.
    let mut after = Value::Null;
    for _ in 0..2 {
        let query = "query ($after: String) { engagedOrganizations(first: 20, after: $after) { edges { node { organizationId organization { name } properties(first: 3) { edges { node { id } } } } } pageInfo { endCursor } } }";
        let explain = Explain::of(&world);
        let answer = world.gql(&staff, Some(desk), query, json!({ "after": after })).await;
        assert_eq!(answer.data()["engagedOrganizations"]["edges"].as_array().map(Vec::len), Some(20));
        assert_eq!(
            answer.data()["engagedOrganizations"]["edges"][19]["node"]["properties"]["edges"].as_array().map(Vec::len),
            Some(3)
        );
        after = answer.data()["engagedOrganizations"]["pageInfo"]["endCursor"].clone();
        for table in ["access_grant", "organization", "engaged_property", "property"] {
            for statement in explain.statements(table).await {
                assert!(!statement.plan.contains(&format!("Seq Scan on {table}")), "{}\n{}", statement.text, statement.plan);
                if table != "organization" {
                    statement.uses_index(table);
                }
            }
        }
    }
    // As many items in the desk's queue: a page by an index, and the numbers of them without the items.
    for order in &contract.get("WorkItemOrder").values {
        let mut after = Value::Null;
        for page in ["the first page", "the next"] {
            let query = "query ($after: String, $order: WorkItemOrder) { workItems(first: 50, after: $after, orderBy: $order) {
                edges { node { id number } } pageInfo { endCursor } } }";
            let explain = Explain::of(&world);
            let answer = world.gql(&staff, Some(desk), query, json!({ "after": after, "order": order })).await;
            assert_eq!(answer.data()["workItems"]["edges"].as_array().map(Vec::len), Some(50), "{page} by {order}");
            after = answer.data()["workItems"]["pageInfo"]["endCursor"].clone();
            for statement in explain.statements("work_item").await {
                statement.uses_index("work_item");
            }
        }
    }
    let query = "{ workItemCounts(by: [BUCKET, STATE, KIND, PRIORITY, OWNER, ASSIGNEE]) { counts { by value count } } }";
    let explain = Explain::of(&world);
    let answer = world.gql(&staff, Some(desk), query, json!({})).await;
    let counts = answer.data()["workItemCounts"]["counts"].as_array().cloned().expect("counts");
    let count = |by: &str, value: &str| {
        counts.iter().find(|one| one["by"] == by && one["value"] == value).map(|one| one["count"].clone())
    };
    assert_eq!((count("BUCKET", "ALL"), count("KIND", "CASE")), (Some(json!(200_000)), Some(json!(200_000))));
    assert_eq!(counts.iter().filter(|one| one["by"] == "OWNER").count(), 100);
    let statements = explain.saying("told AS MATERIALIZED").await;
    for statement in statements {
        statement.uses_index("work_item");
    }
    let sql = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM app.work_item_tallies(ARRAY['KIND', 'STATE', 'PRIORITY', 'ASSIGNEE', 'LATE', 'DUE'], now())";
    let mut connection = world.sql.begin().await.expect("a transaction");
    let acting = AssertSqlSafe(format!("SET LOCAL ROLE hestami_app; SET LOCAL app.organization_id = '{desk}'"));
    connection.execute(sqlx::raw_sql(acting)).await.expect("a desk");
    let plan: Value = sqlx::query_scalar(sql).fetch_one(&mut *connection).await.expect("a plan");
    let pages = plan[0]["Plan"]["Shared Hit Blocks"].as_u64().unwrap_or_default()
        + plan[0]["Plan"]["Shared Read Blocks"].as_u64().unwrap_or_default();
    // The items themselves stand on some 10,000 pages.
    assert!((1..1_500).contains(&pages), "{pages} pages were read for the tallies");
    drop(connection);
    // An owner among them reads as if there were nobody else.
    for order in orders {
        let query = "query ($order: PropertyOrder) { properties(first: 20, orderBy: $order) { edges { node { id } } } }";
        let explain = Explain::of(&world);
        let answer = world.gql(&owner, Some(home), query, json!({ "order": order })).await;
        assert_eq!(answer.data()["properties"]["edges"].as_array().map(Vec::len), Some(20));
        for statement in explain.statements("property").await {
            statement.uses_index("property");
        }
    }
}

/// A recurring statement must not grow with the rows that are kept: here 30,000 workflows that ended just now, and some that
/// ended long ago.
#[tokio::test]
async fn ended_workflows_are_forgotten_from_the_oldest_on() {
    let cluster = crate::harness::cluster().await;
    let database = Explain::database(cluster).await;
    let world = World::on(cluster, database, Options::default()).await;
    let ended = |many: u32, days: u32| {
        format!(
            "INSERT INTO dbos.workflow_status (workflow_uuid, status, name, created_at, updated_at)
             SELECT 'ended-{days}-' || n, 'SUCCESS', 'x', ms, ms
             FROM generate_series(1, {many}) n, (SELECT (extract(epoch FROM now()) * 1000)::bigint - {days} * 86400000::bigint) AS t(ms);"
        )
    };
    let sql = ended(30_000, 0) + &ended(20, 40) + "ANALYZE dbos.workflow_status";
    world.sql.acquire().await.expect("a connection").execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.expect("workflows");
    let explain = Explain::of(&world);
    let left = async |days: u32| -> i64 {
        let sql = format!("SELECT count(*) FROM dbos.workflow_status WHERE workflow_uuid LIKE 'ended-{days}-%'");
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&world.sql).await.expect("a count")
    };
    crate::harness::until("the old ones to be forgotten", async || (left(40).await == 0).then_some(())).await;
    assert_eq!(left(0).await, 30_000);
    for statement in explain.saying("DELETE FROM dbos.workflow_status").await {
        assert!(!statement.plan.contains("Seq Scan on workflow_status"), "{}\n{}", statement.text, statement.plan);
    }
}
