//! Durable mutations from outside, and what is below them: DBOS for TypeScript, a workflow with one step by the engine that
//! the gateway uses, and a bare row with its commit.

use crate::{
    Run,
    ground::{Asker, Ground},
    limit::Direct,
    load::{Connection, Figures, closed, post},
    processes::{Meter, Process, peer},
    report::{Cell, Report},
};
use dbos::{Config, DBOS, EngineOnly, RunOptions};
use http_body_util::Full;
use hyper::{Request, body::Bytes};
use serde_json::{Value, json};
use server::Fault;
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

const MUTATION: &str =
    "mutation ($key: UUID!, $input: PropertyCreateInput!) { propertyCreate(idempotencyKey: $key, input: $input) {
    result { id version } operation { id state } replayed } }";

#[derive(Clone, Copy, PartialEq)]
enum Surface {
    Rpc,
    GraphQl,
}

fn input() -> Value {
    json!({ "kind": "SINGLE_FAMILY", "timeZone": "America/Phoenix",
        "address": { "line1": "1 First Street", "locality": "Phoenix", "region": "AZ", "postalCode": "85003", "country": "US" } })
}

/// A mutation with this key, over RPC.
pub fn request(asker: &Asker, key: Uuid) -> Result<Request<Full<Bytes>>, Fault> {
    asked(asker, Surface::Rpc, key)
}

async fn create(connection: &mut Connection, asker: &Asker, surface: Surface, key: Uuid) -> Result<Bytes, Fault> {
    connection.ask(asked(asker, surface, key)?).await
}

fn asked(asker: &Asker, surface: Surface, key: Uuid) -> Result<Request<Full<Bytes>>, Fault> {
    let mut body = input();
    let path = match surface {
        Surface::Rpc => {
            body["idempotencyKey"] = key.to_string().into();
            "/api/v1/rpc/property/v1/create"
        }
        Surface::GraphQl => {
            body = json!({ "query": MUTATION, "variables": { "key": key, "input": body } });
            "/graphql"
        }
    };
    let authorization = format!("Bearer {}", asker.token);
    let organization = asker.organization.to_string();
    let headers = [("authorization", authorization.as_str()), ("x-organization-id", organization.as_str())];
    post(path, &headers, Bytes::from(serde_json::to_vec(&body)?))
}

/// Done, not only taken on.
fn done(answer: &[u8]) -> Result<(), Fault> {
    let done = b"\"COMPLETED\"";
    if answer.windows(done.len()).any(|window| window == done) {
        Ok(())
    } else {
        Err(format!("not durable yet: {}", String::from_utf8_lossy(answer)).into())
    }
}

async fn mutate(
    gateway: &Process,
    askers: &[Asker],
    surface: Surface,
    meter: &Meter,
    many: usize,
    run: Run,
) -> Result<Figures, Fault> {
    let request = |asker: &Asker| asked(asker, surface, crate::ground::fresh());
    mutate_by(gateway, askers, request, meter, many, run).await
}

/// Mutations one after the other, each by somebody else.
pub async fn mutate_by(
    gateway: &Process,
    askers: &[Asker],
    request: impl Fn(&Asker) -> Result<Request<Full<Bytes>>, Fault>,
    meter: &Meter,
    many: usize,
    run: Run,
) -> Result<Figures, Fault> {
    let workers = Connection::several(&[gateway.address], many).await?;
    let call = |mut connection: Connection, n: u64| {
        let request = request(&askers[n as usize % askers.len()]);
        async move {
            done(&connection.ask(request?).await?)?;
            Ok(connection)
        }
    };
    closed(workers, run.time, call, || meter.read()).await
}

pub async fn ask_create(connection: &mut Connection, asker: &Asker) -> Result<(), Fault> {
    done(&create(connection, asker, Surface::Rpc, crate::ground::fresh()).await?)
}

/// M1 alone.
pub async fn create_property(ground: &Ground, gateway: &Process, askers: &[Asker], run: Run) -> Result<Figures, Fault> {
    let meter = Meter::of(&[gateway], ground);
    mutate(gateway, askers, Surface::Rpc, &meter, run.in_flight[0], run.warm()).await?;
    mutate(gateway, askers, Surface::Rpc, &meter, run.in_flight[0], run).await
}

async fn replay(gateway: &Process, known: &[(Asker, Uuid)], meter: &Meter, many: usize, run: Run) -> Result<Figures, Fault> {
    let workers = Connection::several(&[gateway.address], many).await?;
    let call = |mut connection: Connection, n: u64| async move {
        let (asker, key) = &known[n as usize % known.len()];
        done(&create(&mut connection, asker, Surface::Rpc, *key).await?)?;
        Ok(connection)
    };
    closed(workers, run.time, call, || meter.read()).await
}

/// DBOS for TypeScript: for each number in flight.
async fn typescript(ground: &Ground, run: Run) -> Result<Vec<Figures>, Fault> {
    let mut command = peer("dbos.mjs")?;
    command.arg(ground.stack.postgres.url("postgres", "dbos_peer")).arg(run.time.as_secs_f64().to_string());
    command.args(run.in_flight.iter().map(usize::to_string)).stderr(std::process::Stdio::null());
    let output = command.output().await?;
    let lines = String::from_utf8(output.stdout)?;
    let millis = |line: &Value, name: &str| Duration::from_secs_f64(line[name].as_f64().unwrap_or_default() / 1000.0);
    let figures: Vec<Figures> = lines
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .map(|line: Value| {
            let number = |name: &str| line[name].as_f64().unwrap_or_default();
            let cpu = (number("cpu") * 1000.0 / number("count"), 0.0);
            Figures { per_second: number("count") / number("seconds"), p50: millis(&line, "p50"), p99: millis(&line, "p99"), cpu }
        })
        .collect();
    if figures.len() == run.in_flight.len() { Ok(figures) } else { Err(format!("DBOS for TypeScript said: {lines}").into()) }
}

/// A workflow with one step, by the Rust engine.
async fn one_step(ground: &Ground, run: Run) -> Result<Vec<Figures>, Fault> {
    // Waiting for the disk as the peer does, which the gateway leaves to the outcome's commit.
    let url = ground.url("hestami_workflow") + "&options=-c%20synchronous_commit%3Don";
    let mut config = Config::new("bench", url);
    config.app_version = Some("bench".to_owned());
    config.executor_id = Some("bench".to_owned());
    config.max_connections = 20;
    config.migrate = false;
    config.listen_queues = Some(Vec::new());
    let dbos = DBOS::new(config);
    let work = dbos.register_workflow("bench.one_step", |input: Value| async move {
        dbos::step("one", || {
            let input = input.clone();
            async move { Ok::<_, dbos::Error<EngineOnly>>(input) }
        })
        .await
    })?;
    dbos.launch().await?;
    let work = Arc::new(work);
    let mut all = Vec::new();
    for many in run.in_flight {
        let call = |(): (), _| {
            let work = Arc::clone(&work);
            async move {
                let id = crate::ground::fresh().to_string();
                let options = RunOptions { workflow_id: Some(&id), ..Default::default() };
                work.run_with(input(), options).await?;
                Ok(())
            }
        };
        all.push(closed(vec![(); *many], run.time, call, || (0.0, 0.0)).await?);
    }
    dbos.shutdown().await;
    Ok(all)
}

async fn bare(ground: &Ground, many: usize, run: Run) -> Result<Figures, Fault> {
    let call = |direct: Direct, _| async move {
        direct.write().await?;
        Ok(direct)
    };
    closed(Direct::several(ground, many).await?, run.time, call, || (0.0, 0.0)).await
}

pub async fn run(ground: &Ground, gateway: &Process, askers: &[Asker], run: Run, report: &mut Report) -> Result<(), Fault> {
    let meter = Meter::of(&[gateway], ground);
    mutate(gateway, askers, Surface::Rpc, &meter, 8, run.warm()).await?;
    let mut first = Vec::new();
    for many in run.in_flight {
        first.push(mutate(gateway, askers, Surface::Rpc, &meter, *many, run).await?);
    }
    let typescript = typescript(ground, run).await?;
    let one_step = one_step(ground, run).await?;

    let mut known = Vec::new();
    let mut connection = Connection::open(gateway.address).await?;
    for asker in askers {
        let key = crate::ground::fresh();
        create(&mut connection, asker, Surface::Rpc, key).await?;
        known.push((asker.clone(), key));
    }
    for (k, many) in run.in_flight.iter().enumerate() {
        let bare = bare(ground, *many, run).await?;
        let second = mutate(gateway, askers, Surface::Rpc, &meter, *many, run).await?;
        let rpc = first[k].middle(second);
        let graphql = mutate(gateway, askers, Surface::GraphQl, &meter, *many, run).await?;
        let replayed = replay(gateway, &known, &meter, *many, run).await?;
        let (peer, limit) = (Some(typescript[k]), Some(bare));
        let cell = |name, about, gateway, peer, limit| Cell { name, about, in_flight: *many, gateway, peer, limit };
        report.cell(cell(
            "M1",
            "property/v1/create over RPC; peer: DBOS for TypeScript, limit: a bare row and its commit",
            rpc,
            peer,
            limit,
        ));
        report.cell(cell("M1g", "the same over GraphQL", graphql, peer, limit));
        report.cell(cell("M2", "a known key again; peer: M1", replayed, Some(rpc), None));
        report.cell(cell(
            "W1",
            "a workflow with one step, by the engine alone; peer: DBOS for TypeScript",
            one_step[k],
            peer,
            limit,
        ));
    }
    // As much as one organization can take: its log has one order.
    let alone = mutate(gateway, &askers[..1], Surface::Rpc, &meter, 32, run).await?;
    report.line(format!(
        "One organization takes {:.0} mutations a second at 32 in flight (p50 {:.1} ms, p99 {:.1} ms).",
        alone.per_second,
        alone.p50.as_secs_f64() * 1e3,
        alone.p99.as_secs_f64() * 1e3
    ));
    Ok(())
}
