//! The operators' view: traces at a real OTLP receiver, metrics, readiness.

use crate::harness::{Options, Process, World, person, until};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::{
            ExportLogsServiceRequest, ExportLogsServiceResponse,
            logs_service_server::{LogsService, LogsServiceServer},
        },
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::any_value::Value as AnyValue,
    trace::v1::Span,
};
use schema::Clock;
use serde_json::json;
use server::statements::evicted;
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};
use workflows::Supervision;

#[derive(Clone, Default)]
struct Receiver {
    spans: Arc<Mutex<Vec<Span>>>,
    metrics: Arc<Mutex<Vec<String>>>,
    logs: Arc<Mutex<Vec<String>>>,
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(&self, request: Request<ExportTraceServiceRequest>) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request.into_inner().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        self.spans.lock().expect("no panic holds it").extend(scopes.flat_map(|scope| scope.spans));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let scopes = request.into_inner().resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
        self.metrics.lock().expect("no panic holds it").extend(scopes.flat_map(|scope| scope.metrics).map(|metric| metric.name));
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Receiver {
    async fn export(&self, request: Request<ExportLogsServiceRequest>) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let scopes = request.into_inner().resource_logs.into_iter().flat_map(|resource| resource.scope_logs);
        self.logs
            .lock()
            .expect("no panic holds it")
            .extend(scopes.flat_map(|scope| scope.log_records).map(|record| format!("{:?}", record.body)));
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

impl Receiver {
    async fn listen(&self) -> String {
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let address = incoming.local_addr().expect("an address");
        let server = Server::builder()
            .add_service(TraceServiceServer::new(self.clone()))
            .add_service(MetricsServiceServer::new(self.clone()))
            .add_service(LogsServiceServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(incoming));
        format!("http://{address}")
    }

    fn of_trace(&self, trace: &str) -> Vec<Span> {
        let spans = self.spans.lock().expect("no panic holds it");
        spans.iter().filter(|span| hex(&span.trace_id) == trace).cloned().collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attributes(span: &Span) -> BTreeMap<String, String> {
    let text = |value: &AnyValue| match value {
        AnyValue::StringValue(text) => text.clone(),
        other => format!("{other:?}"),
    };
    span.attributes
        .iter()
        .filter_map(|attribute| Some((attribute.key.clone(), text(attribute.value.as_ref()?.value.as_ref()?))))
        .collect()
}

async fn sleeping() -> World {
    let supervision =
        Supervision { heartbeat: Duration::from_secs(3_600), dead_after: Duration::from_secs(10_000), ..Default::default() };
    World::with(Options { supervision, real_time: true, ..Options::default() }).await
}

#[tokio::test]
async fn a_mutation_is_one_trace_from_request_to_sql() {
    let receiver = Receiver::default();
    let otlp = receiver.listen().await;
    let world = sleeping().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    // This world's own hub stops, so that the other gateway relays.
    world.app.live.stop();
    let gateway = Process::serve(&world, &[("HESTAMI_OTLP", &otlp), ("HESTAMI_LOG", "info")]).await;
    let mut body = World::property("1 First Street");
    body["idempotencyKey"] = world.key().to_string().into();
    let answer = world.rpc_at(&gateway.url, &owner, Some(home), "property/v1/create", body.clone()).await;
    let property = answer.ok()["id"].as_str().expect("an id").to_owned();
    let trace = answer.body["trace_id"].as_str().expect("a trace id").to_owned();
    assert_eq!(answer.body["operation"]["traceId"], json!(trace));
    let refused = world.rpc_at(&gateway.url, &owner, Some(home), "property/v1/archive", json!({})).await;
    assert_ne!(refused.body["trace_id"], json!(trace));
    // A stop sends all that is left, metrics and logs too.
    gateway.stop().await;
    let spans = receiver.of_trace(&trace);
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    for name in ["POST /api/v1/rpc/{procedure}", "operation", "authorize", "pdp.check", "workflow", "sql"] {
        assert!(names.contains(&name), "no {name} in {names:?}");
    }
    let (actor, kind): (String, String) =
        sqlx::query_as("SELECT initiator::text, actor->>'kind' FROM operation WHERE procedure = 'property/v1/create'")
            .fetch_one(&world.sql)
            .await
            .expect("an operation");
    let whole = ["operation", "authorize", "pdp.check", "workflow", "sql"];
    // The statement that finds the actor runs before the actor is known.
    let signs_in = |span: &Span| attributes(span).get("db.query.text").is_some_and(|text| text.contains("app.known("));
    let (signing_in, ours): (Vec<_>, Vec<_>) =
        spans.iter().filter(|span| whole.contains(&span.name.as_str())).partition(|span| signs_in(span));
    assert_eq!(signing_in.len(), 1);
    for span in &ours {
        let attributes = attributes(span);
        let get = |name: &str| attributes.get(name).map(String::as_str);
        let before_the_organization_is_known = span.name == "sql" && get("organization_id").is_none();
        assert!(
            before_the_organization_is_known || get("organization_id") == Some(&home.to_string()),
            "{}: {attributes:?}",
            span.name
        );
        assert_eq!(
            (get("actor_id"), get("actor_kind")),
            (Some(actor.as_str()), Some(kind.as_str())),
            "{}: {attributes:?}",
            span.name
        );
    }
    let workflow = spans.iter().find(|span| span.name == "workflow").expect("a workflow");
    assert_eq!(attributes(workflow).get("property_id"), Some(&property));
    assert!(ours.iter().filter(|span| span.name == "sql").count() >= 8);
    // Spans show statements, never values.
    assert!(spans.iter().all(|span| attributes(span).values().all(|value| !value.contains("First Street"))));
    let metrics = receiver.metrics.lock().expect("no panic holds it").clone();
    for name in ["hestami.operations", "hestami.operation.duration", "http.server.request.duration", "hestami.relay.lag"] {
        assert!(metrics.iter().any(|metric| metric == name), "no {name} in {metrics:?}");
    }
    assert!(!receiver.logs.lock().expect("no panic holds it").is_empty(), "logs are sent");
}

#[tokio::test]
async fn all_that_a_cases_life_does_names_the_case_in_the_trace_of_its_beginning() {
    let receiver = Receiver::default();
    let otlp = receiver.listen().await;
    let place = crate::cases::Place::on(sleeping().await).await;
    let world = &place.world;
    world.app.lives.shutdown().await;
    let case = place.case().await;
    let (id, trace): (String, String) =
        sqlx::query_as("SELECT resource_id::text, trace_id FROM event WHERE kind = 'case.created'")
            .fetch_one(&world.sql)
            .await
            .expect("an event");
    assert_eq!(case["id"], json!(id));
    let gateway = Process::serve(world, &[("HESTAMI_OTLP", &otlp)]).await;
    place.desks("case/v1/triage", json!({ "id": id, "version": 1, "kind": "REPAIR", "priority": "HIGH" })).await.ok();
    place.desks("case/v1/updateStatus", json!({ "id": id, "version": 2, "state": "IN_PROGRESS" })).await.ok();
    let soon = schema::SystemClock.now() + chrono::TimeDelta::seconds(1);
    let wait = json!({ "id": id, "version": 3, "state": "WAITING_EXTERNAL", "waitingFor": "The HOA", "waitingUntil": soon });
    place.desks("case/v1/updateStatus", wait).await.ok();
    until("the end of the wait", async || {
        (world.count("SELECT count(*) FROM event WHERE kind = 'case.reminded'").await == 1).then_some(())
    })
    .await;
    gateway.stop().await;
    let spans = receiver.of_trace(&trace);
    let life = spans.iter().find(|span| span.name == "case_lifecycle_v1").expect("a life");
    let below: Vec<&Span> =
        spans.iter().filter(|span| ["operation", "authorize", "workflow"].contains(&span.name.as_str())).collect();
    assert!(below.len() >= 3, "{:?}", spans.iter().map(|span| &span.name).collect::<Vec<_>>());
    for span in below.into_iter().chain([life]) {
        assert_eq!(attributes(span).get("case_id"), Some(&id), "{}: {:?}", span.name, attributes(span));
    }
}

#[tokio::test]
async fn work_that_another_replica_adopts_stays_in_its_trace() {
    let receiver = Receiver::default();
    let otlp = receiver.listen().await;
    let world = sleeping().await;
    let owner = person("olga");
    // A work queue serves all replicas; here the watched replica must be the one that takes the work.
    world.app.engine.shutdown().await;
    let first = Process::serve(&world, &[("HESTAMI_PARK_AT", "after-claim")]).await;
    let body = json!({ "idempotencyKey": world.key(), "type": "TRUST_OR_LLC", "name": "T" });
    let request =
        world.client().post(format!("{}/api/v1/rpc/organization/v1/create", first.url)).bearer_auth(&owner.token).json(&body);
    let hanging = tokio::spawn(request.send());
    until("the claim", async || (first.parked("") > 0).then_some(())).await;
    first.kill().await;
    drop(hanging);
    let second = Process::serve(&world, &[("HESTAMI_OTLP", &otlp)]).await;
    until("its completion", async || {
        (world.count("SELECT count(*) FROM operation WHERE state = 'COMPLETED'").await == 1).then_some(())
    })
    .await;
    second.stop().await;
    let trace: String = sqlx::query_scalar("SELECT trace_id FROM operation").fetch_one(&world.sql).await.expect("a trace");
    let names: Vec<String> = receiver.of_trace(&trace).into_iter().map(|span| span.name).collect();
    for name in ["workflow", "sql"] {
        assert!(names.iter().any(|each| each == name), "no {name} of the adopted work in {names:?}");
    }
}

#[tokio::test]
async fn a_page_with_its_relations_is_a_few_statements() {
    let receiver = Receiver::default();
    let otlp = receiver.listen().await;
    let world = sleeping().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    for number in 0..20 {
        let hoa = world
            .call(&owner, home, "externalParty/v1/create", json!({ "kind": "HOA", "name": format!("HOA {number:02}") }))
            .await
            .ok()["id"]
            .clone();
        let mut input = World::property(&format!("{number:02}"));
        input["hoaId"] = hoa;
        world.call(&owner, home, "property/v1/create", input).await.ok();
    }
    let gateway = Process::serve(&world, &[("HESTAMI_OTLP", &otlp)]).await;
    let query = "{ properties(orderBy: ADDRESS_ASC) { edges { node { address { line1 } hoa { name } } } } }";
    let ask = async |query: &str| {
        let request = world.client().post(format!("{}/graphql", gateway.url)).bearer_auth(&owner.token);
        let request = request.header("x-organization-id", home.to_string());
        let answer = request.json(&json!({ "query": query })).send().await.expect("an answer");
        let trace = answer.headers()["x-trace-id"].to_str().expect("text").to_owned();
        (trace, answer.json::<serde_json::Value>().await.expect("JSON"))
    };
    let (trace, body) = ask(query).await;
    for (number, edge) in body["data"]["properties"]["edges"].as_array().expect("edges").iter().enumerate() {
        assert_eq!(edge["node"]["hoa"]["name"], format!("HOA {number:02}"));
    }
    let house = world.create_property(&owner, home, "a house").await;
    let (by_id, body) = ask(&format!("{{ node(id: {}) {{ __typename id }} }}", house["id"])).await;
    assert_eq!(body["data"]["node"], json!({ "__typename": "Property", "id": house["id"] }));
    gateway.stop().await;
    let statements = |trace: &str| -> Vec<String> {
        let spans = receiver.of_trace(trace);
        let texts =
            spans.iter().filter(|span| span.name == "sql").filter_map(|span| attributes(span).get("db.query.text").cloned());
        texts.collect()
    };
    let count = |statements: &[String], part: &str| statements.iter().filter(|text| text.contains(part)).count();
    let page = statements(&trace);
    for table in ["property", "external_party"] {
        assert_eq!(count(&page, &format!("FROM \"{table}\"")), 1, "one statement a table: {page:#?}");
    }
    assert_eq!(page.iter().filter(|text| text.starts_with("BEGIN")).count(), 1, "one transaction: {page:#?}");
    // Of which kind it is, however many there are, and then the row.
    let node = statements(&by_id);
    assert_eq!((count(&node, "FROM app.whose"), count(&node, "FROM \"property\"")), (1, 1), "{node:#?}");
    assert_eq!(count(&node, "FROM portfolio") + count(&node, "FROM external_party"), 0, "no table is looked through: {node:#?}");
}

#[tokio::test]
async fn operators_can_ask_how_it_is() {
    let world = World::new().await;
    let get = async |path: &str| world.request(reqwest::Method::GET, path).send().await.expect("an answer");
    let ask = |path: &str| world.client().get(format!("{}{path}", world.app.operators()));
    assert_eq!(get("/livez").await.status(), 200);
    for path in ["/readyz", "/metrics"] {
        assert_eq!(get(path).await.status(), 404, "not where clients ask");
    }
    let ready = world.send(ask("/readyz")).await;
    assert_eq!(
        ready.body,
        json!({ "ready": true, "closing": false, "postgresql": "ok", "cerbos": "ok", "engine": "ok", "live": "ok", "clock": "ok" })
    );
    let traced = get("/livez").await;
    assert_eq!(traced.headers()["x-trace-id"].len(), 32);
    assert!(ask("/metrics").send().await.expect("an answer").status().is_success());
    // A stranger's trace is not gone on with; a proxy's is.
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traced = async |url: String| {
        let request = world.client().get(format!("{url}/livez")).header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
        request.send().await.expect("an answer").headers()["x-trace-id"].to_str().expect("text").to_owned()
    };
    assert_ne!(traced(world.app.url()).await, trace);
    let trusted = server::networks::Networks::parse("127.0.0.0/8").expect("networks");
    let trusting = world.replica(Options { trusted, ..Options::default() }).await;
    assert_eq!(traced(trusting.url()).await, trace);
}

#[tokio::test]
async fn statements_that_a_connection_lets_go_of_are_counted() {
    let world = World::new().await;
    let options: PgConnectOptions = world.cluster.url("hestami_app", &world.database).parse().expect("an address");
    let mut connection = PgConnection::connect_with(&options.statement_cache_capacity(3)).await.expect("a connection");
    for (asked, gone) in [(1..=2, 0), (1..=10, 7), (8..=10, 0), (11..=12, 2)] {
        for number in asked {
            sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {number}"))).execute(&mut connection).await.expect("an answer");
        }
        assert_eq!(evicted(&mut connection).await.expect("a count"), gone);
    }

    let olga = person("olga");
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let few = Process::serve(&world, &[("HESTAMI_DATABASE_STATEMENTS", "10")]).await;
    let enough = Process::serve(&world, &[]).await;
    let metrics = async |of: &Process| {
        let answer = world.client().get(format!("{}/metrics", of.operators)).send().await.expect("an answer");
        let text = answer.text().await.expect("text");
        let line = text.lines().find_map(|line| {
            line.strip_prefix("hestami_database_statements_evicted_total{")?.rsplit(' ').next().map(str::to_owned)
        });
        line.map_or(0.0, |count| count.parse().expect("a number"))
    };
    for of in [&few, &enough] {
        for order in ["ADDRESS_ASC", "ADDRESS_DESC", "CREATED_ASC", "CREATED_DESC"] {
            for first in ["first: 5", "first: 5, filter: { status: [ACTIVE] }", "first: 5, filter: { kind: [LAND] }"] {
                let query = format!("{{ properties({first}, orderBy: {order}) {{ totalCount edges {{ cursor }} }} }}");
                world.gql_at(&of.url, &olga, Some(home), &query, json!({})).await.data();
            }
        }
    }
    // A connection is counted when it rests, so that nobody asks meanwhile.
    until("evicted statements in the metrics", async || (metrics(&few).await > 0.0).then_some(())).await;
    assert_eq!(metrics(&enough).await, 0.0);
}
