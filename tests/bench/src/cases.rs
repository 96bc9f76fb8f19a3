//! Cases: a case's page beside R1, a desk's queue over very many owners, what a new case costs beside a new property, and many
//! cases that sleep.

use crate::{
    Run,
    ground::{self, Asker, Ground},
    load::{Connection, post},
    processes::{Meter, Process},
    reads::{Prepared, Question, Sides, ask_nested},
    report::Report,
    writes,
};
use http_body_util::Full;
use hyper::{Request, body::Bytes};
use serde_json::{Value, json};
use server::Fault;
use std::time::{Duration, Instant};

/// The owners who let one desk act, and the cases that wait there.
const OWNERS: u64 = 10_000;
const WAITING: u64 = 200_000;
const SLEEPING: u64 = 100_000;
/// Numbers of organizations that nothing else here has.
const DESK: u64 = 1 << 20;
const FIRST: u64 = DESK + 1;

const PAGE: Question = Question {
    name: "C1",
    about: "a case with its property, 20 notes, 50 entries of its timeline, and its questions",
    gateway: "query ($id: ID!) { case(id: $id) { number title state priority resolveBy actionsAllowed property { id address { line1 locality } }
        notes(first: 20) { nodes { text createdAt author { displayName } } } questions { text state choices }
        timeline(first: 50) { nodes { at sentence kind actor { displayName } moves { field from to } } } } }",
    peer: "query ($org: UUID!, $id: UUID!) { conciergeCaseByOrganizationIdAndRowId(organizationId: $org, rowId: $id) {
        number title state priority resolveBy propertyByOrganizationIdAndPropertyId { rowId line1 locality }
        caseNotesByOrganizationIdAndCaseId(first: 20) { nodes { text createdAt authorId } }
        caseQuestionsByOrganizationIdAndCaseId(first: 10) { nodes { text state choices } } }
        allEvents(first: 50, condition: { organizationId: $org, resourceId: $id }) { nodes { at kind actor change } } }",
};

const QUEUE: Question = Question {
    name: "Q1",
    about: "50 of 200,000 items of a queue over 10,000 owners, the most urgent first, and all counts; the peer counts by state and kind alone",
    gateway: "{ workItems(first: 50, orderBy: DUE_ASC) { nodes { kind number title state priority dueAt waitingFor assigneeId } pageInfo { endCursor } }
        workItemCounts(by: [BUCKET, STATE, KIND, PRIORITY, OWNER, ASSIGNEE], timeZone: \"America/Phoenix\") { counts { by value count } } }",
    peer: "query ($org: UUID!) { page: allWorkItems(first: 50, condition: { organizationId: $org }, orderBy: [DUE_SORT_ASC]) {
          nodes { kind number title state priority dueAt waitingFor assigneeId } pageInfo { endCursor } }
        a: allWorkItems(condition: { organizationId: $org, state: \"NEW\" }) { totalCount }
        b: allWorkItems(condition: { organizationId: $org, state: \"TRIAGED\" }) { totalCount }
        c: allWorkItems(condition: { organizationId: $org, state: \"IN_PROGRESS\" }) { totalCount }
        d: allWorkItems(condition: { organizationId: $org, state: \"WAITING_OWNER\" }) { totalCount }
        e: allWorkItems(condition: { organizationId: $org, kind: \"CASE\" }) { totalCount } }",
};

fn mutation(asker: &Asker, procedure: &str, mut body: Value) -> Result<Request<Full<Bytes>>, Fault> {
    body["idempotencyKey"] = json!(ground::fresh());
    let (authorization, organization) = (format!("Bearer {}", asker.token), asker.organization.to_string());
    let headers = [("authorization", authorization.as_str()), ("x-organization-id", organization.as_str())];
    post(&format!("/api/v1/rpc/{procedure}"), &headers, Bytes::from(serde_json::to_vec(&body)?))
}

async fn mutate(connection: &mut Connection, asker: &Asker, procedure: &str, body: Value) -> Result<Value, Fault> {
    let answer: Value = serde_json::from_slice(&connection.ask(mutation(asker, procedure, body)?).await?)?;
    Ok(answer["result"].clone())
}

/// A case about the asker's first property, with all that its page shows.
async fn told(ground: &Ground, connection: &mut Connection, asker: &Asker) -> Result<Value, Fault> {
    let body = json!({ "title": "The gutter drips", "kind": "REPAIR", "propertyId": ground::property(asker.n, 0) });
    let id = mutate(connection, asker, "case/v1/create", body).await?["id"].clone();
    for n in 0..20 {
        mutate(
            connection,
            asker,
            "case/v1/addNote",
            json!({ "id": id, "text": format!("The roofer was here, for the {n}th time.") }),
        )
        .await?;
    }
    for version in 1..=29 {
        mutate(
            connection,
            asker,
            "case/v1/update",
            json!({ "id": id, "version": version, "title": format!("The gutter drips {version}") }),
        )
        .await?;
    }
    let id = id.as_str().ok_or("no id")?;
    ground::execute(
        ground,
        format!(
            "INSERT INTO case_question (organization_id, id, case_id, text, choices, state, asked_by, asker_organization_id, created_at, updated_at)
             SELECT organization_id, gen_random_uuid(), id, 'Zinc or plastic?', '{{Zinc,Plastic}}', 'WITHDRAWN', opened_by, organization_id, now(), now()
             FROM concierge_case, generate_series(1, 3) WHERE id = '{id}'"
        ),
    )
    .await?;
    Ok(json!(id))
}

async fn page(sides: &Sides<'_>, small: &[Asker], run: Run, report: &mut Report) -> Result<(), Fault> {
    let mut connection = Connection::open(sides.gateway.address).await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for asker in &small[..small.len().min(16)] {
        let id = told(sides.ground, &mut connection, asker).await?;
        ours.push(Prepared::new(asker, PAGE.gateway, json!({ "id": id }))?);
        theirs.push(Prepared::new(asker, PAGE.peer, json!({ "org": asker.organization, "id": id }))?);
    }
    let answer: Value = serde_json::from_slice(&ours[0].ask(&mut connection).await?)?;
    let case = &answer["data"]["case"];
    let rows = |list: &Value| list.as_array().map_or(0, Vec::len);
    if (rows(&case["notes"]["nodes"]), rows(&case["questions"]), rows(&case["timeline"]["nodes"])) != (20, 3, 50) {
        return Err(format!("not a case's page: {case}").into());
    }
    sides.compare(&PAGE, PAGE.about, &ours, &theirs, run, report).await?;
    // Beside R1, in turns.
    let mut times = [Vec::new(), Vec::new()];
    for n in 0..400 {
        let asker = &small[n % small.len()];
        let began = Instant::now();
        ask_nested(&mut connection, asker).await?;
        times[0].push(began.elapsed());
        let began = Instant::now();
        ours[n % ours.len()].ask(&mut connection).await?;
        times[1].push(began.elapsed());
    }
    let [nested, page] = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e3
    });
    report.line(format!(
        "C1 takes {page:.2} ms beside {nested:.2} ms for R1 (medians of 400 each, in turns, one at a time): {:.2}.",
        page / nested
    ));
    Ok(())
}

/// A desk, owners who let it act, and cases of theirs. All of them sleep until a time of their own.
async fn fill(ground: &Ground, cases: u64, queue: bool) -> Result<(), Fault> {
    let id = |of: ground::Of, n: &str| {
        format!("('01920000-0000-7000-8000-' || lpad(to_hex({}::bigint << 40 | ({n})), 12, '0'))::uuid", of as u64 + 1)
    };
    let (owner, desk) = (id(ground::Of::Organization, "n"), ground::id(ground::Of::Organization, DESK));
    let (person, membership) = (ground::id(ground::Of::Principal, DESK), ground::id(ground::Of::Membership, DESK));
    let at = "'2026-01-05 08:00:00+00'::timestamptz";
    let last = FIRST + OWNERS - 1;
    let mut sql = vec![
        format!(
            "INSERT INTO organization (id, type, name, version, created_at, updated_at)
             SELECT {owner}, 'TRUST_OR_LLC', 'Holding ' || n, 1, {at}, {at} FROM generate_series({FIRST}, {last}) n
             UNION ALL SELECT '{desk}', 'CONCIERGE_OPERATOR', 'Desk', 1, {at}, {at} ON CONFLICT DO NOTHING"
        ),
        format!(
            "INSERT INTO principal (id, kind, issuer, subject, email, created_at, updated_at)
             VALUES ('{person}', 'HUMAN', '{}', 'owner-{DESK}', 'owner-{DESK}@example.com', {at}, {at}) ON CONFLICT DO NOTHING",
            server::secrets::ISSUER
        ),
        format!(
            "INSERT INTO membership (organization_id, id, principal_id, role, state, starts_at, invited_by, accepted_at, created_at, updated_at)
             VALUES ('{desk}', '{membership}', '{person}', 'CONCIERGE_STAFF', 'ACTIVE', {at}, '{person}', {at}, {at}, {at}) ON CONFLICT DO NOTHING"
        ),
        format!("INSERT INTO authority_epoch (organization_id, holder_id, epoch) VALUES ('{desk}', '{person}', 1) ON CONFLICT DO NOTHING"),
        format!(
            "INSERT INTO org_head (organization_id) SELECT {owner} FROM generate_series({FIRST}, {last}) n
             UNION ALL SELECT '{desk}' ON CONFLICT DO NOTHING"
        ),
        format!(
            "INSERT INTO access_grant (organization_id, id, grantee_organization_id, kind, scopes, asked_from, starts_at, accepted_at, accepted_by, granted_by, created_at, updated_at)
             SELECT {owner}, {owner}, '{desk}', 'ENGAGEMENT', '{{act}}', {at}, {at}, {at}, '{person}', '{person}', {at}, {at}
             FROM generate_series({FIRST}, {last}) n ON CONFLICT DO NOTHING"
        ),
        format!(
            "INSERT INTO concierge_case (organization_id, id, number, title, kind, priority, priority_rank, state, due_sort, desk_id, assignee_id,
               acknowledged_at, resolve_by, next_at, opened_by, opener_organization_id, lifecycle, worked_seconds, told, reopened_count, created_at, updated_at)
             SELECT {owner}, gen_random_uuid(), k + 1, 'The gutter drips', 'REPAIR', (ARRAY['LOW', 'NORMAL', 'HIGH', 'URGENT'])[1 + k % 4], 1 + k % 4,
               (ARRAY['NEW', 'TRIAGED', 'IN_PROGRESS', 'WAITING_OWNER'])[1 + k % 4], due, '{desk}', CASE WHEN k % 3 = 0 THEN '{person}'::uuid END,
               {at}, due, due, '{person}', {owner}, 1, 0, '{{}}', 0, {at}, {at}
             FROM (SELECT n, k, now() + interval '1 hour' + random() * interval '60 days' AS due
               FROM generate_series({FIRST}, {last}) n, generate_series(0, {} - 1) k) s",
            cases / OWNERS
        ),
    ];
    if queue {
        // The triggers keep it else; here it is filled at once.
        sql.push(format!("INSERT INTO work_item SELECT i.* FROM concierge_case r, LATERAL app.items_of_concierge_case(r, NULL) i WHERE r.desk_id = '{desk}'"));
    }
    let mut connection = ground.connect().await?;
    for (n, statement) in sql.into_iter().enumerate() {
        // Cases that sleep have their deadlines by the triggers.
        let role = if n < 6 || (queue && n < 7) { "replica" } else { "origin" };
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("SET session_replication_role = {role}; {statement}")))
            .execute(&mut connection)
            .await?;
    }
    for statement in ["VACUUM ANALYZE", "CHECKPOINT"] {
        sqlx::raw_sql(statement).execute(&mut connection).await?;
    }
    Ok(())
}

async fn queue(sides: &Sides<'_>, run: Run, report: &mut Report) -> Result<(), Fault> {
    let began = Instant::now();
    fill(sides.ground, WAITING, true).await?;
    println!("{OWNERS} owners with {WAITING} cases at one desk, in {:.0} s", began.elapsed().as_secs_f64());
    let asker = sides.ground.asker(DESK)?;
    let ours = [Prepared::new(&asker, QUEUE.gateway, json!({}))?];
    let theirs = [Prepared::new(&asker, QUEUE.peer, json!({ "org": asker.organization }))?];
    sides.compare(&QUEUE, QUEUE.about, &ours, &theirs, run, report).await
}

/// A new case beside a new property, in turns.
async fn create(ground: &Ground, gateway: &Process, askers: &[Asker], run: Run, report: &mut Report) -> Result<(), Fault> {
    let meter = Meter::of(&[gateway], ground);
    for many in [1, 8] {
        let mut rates = [Vec::new(), Vec::new()];
        let mut cpus = [Vec::new(), Vec::new()];
        for turn in 0..8 {
            let at = turn % 2;
            let request = |asker: &Asker| {
                let property = ground::property(asker.n, 1);
                let body = json!({ "title": "The gutter drips", "kind": "REPAIR", "propertyId": property, "description": "Since the storm of last week." });
                if at == 0 { writes::request(asker, ground::fresh()) } else { mutation(asker, "case/v1/create", body) }
            };
            let figures = writes::mutate_by(gateway, askers, request, &meter, many, run).await?;
            rates[at].push(figures.per_second);
            cpus[at].push(figures.cpu.0 + figures.cpu.1);
        }
        let [property, case] = rates.map(|rates| rates.iter().sum::<f64>() / rates.len() as f64);
        let [property_cpu, case_cpu] = cpus.map(|cpus| cpus.iter().sum::<f64>() / cpus.len() as f64);
        report.line(format!(
            "case/v1/create at {many} in flight: {case:.0} a second beside {property:.0} of property/v1/create, in turns: {:.2}; {case_cpu:.2} and {property_cpu:.2} ms of CPU: {:.2}.",
            case / property,
            case_cpu / property_cpu
        ));
    }
    Ok(())
}

/// Cases that sleep: what they cost while nothing is due.
async fn sleep(ground: &Ground, run: Run, report: &mut Report) -> Result<(), Fault> {
    let rest = Duration::from_secs(if run.quick { 5 } else { 20 });
    let empty = Process::gateway(ground).await?;
    let (cpu_before, resident_before) = idle(ground, &empty, rest).await?;
    empty.stop().await?;
    fill(ground, SLEEPING, false).await?;
    let began = Instant::now();
    let gateway = Process::gateway(ground).await?;
    loop {
        let sql = "SELECT count(*) FROM dbos.workflow_status WHERE status = 'DELAYED'";
        let waiting: i64 = sqlx::query_scalar(sql).fetch_one(&mut ground.connect().await?).await?;
        if waiting >= i64::try_from(SLEEPING)? {
            break;
        }
        if began.elapsed() > Duration::from_secs(900) {
            return Err(format!("{waiting} cases sleep after 15 minutes").into());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let took = began.elapsed();
    ground::execute(ground, "VACUUM ANALYZE".to_owned()).await?;
    ground::execute(ground, "CHECKPOINT".to_owned()).await?;
    let (cpu, resident) = idle(ground, &gateway, rest).await?;
    let sql = "SELECT (pg_total_relation_size('dbos.workflow_status') + pg_total_relation_size('deadline') + pg_total_relation_size('life'))::float8 / 1048576";
    let kept: f64 = sqlx::query_scalar(sql).fetch_one(&mut ground.connect().await?).await?;
    report.line(format!(
        "{SLEEPING} cases that sleep: {:.0} MB more in the gateway ({resident:.0} after {resident_before:.0}), {kept:.0} MB of tables; {:.1} % of a core in the gateway and {:.1} % in PostgreSQL (without them {:.1} and {:.1} %); they were planned in {:.0} s.",
        resident - resident_before,
        cpu.0,
        cpu.1,
        cpu_before.0,
        cpu_before.1,
        took.as_secs_f64()
    ));
    gateway.stop().await
}

/// Percents of a core while nothing is asked, and the memory then.
async fn idle(ground: &Ground, gateway: &Process, time: Duration) -> Result<((f64, f64), f64), Fault> {
    tokio::time::sleep(time / 2).await;
    let meter = Meter::of(&[gateway], ground);
    let before = meter.read();
    tokio::time::sleep(time).await;
    let after = meter.read();
    let part = |after: f64, before: f64| (after - before) / time.as_secs_f64() * 100.0;
    Ok(((part(after.0, before.0), part(after.1, before.1)), gateway.resident()?))
}

pub async fn run(sides: &Sides<'_>, small: &[Asker], run: Run, report: &mut Report) -> Result<(), Fault> {
    page(sides, small, run, report).await?;
    create(sides.ground, sides.gateway, small, run, report).await?;
    queue(sides, run, report).await
}

/// On servers of their own: what sleeps is to be alone.
pub async fn sleeping(run: Run, report: &mut Report) -> Result<(), Fault> {
    let ground = Ground::new().await?;
    let slept = sleep(&ground, run, report).await;
    ground.stop().await;
    slept
}
