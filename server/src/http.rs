//! Every route, on one page.

use crate::{contract_pages, graphiql};
use authz::Cerbos;
use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use opentelemetry::{KeyValue, global, metrics::Histogram};
use prometheus::{Encoder, TextEncoder};
use schema::{Code, Engine, Error, Gateway};
use serde_json::json;
use std::{
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};
use surface::{Mount, Origins, refusal};
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::{
        CompressionLayer,
        predicate::{NotForContentType, Predicate, SizeAbove},
    },
    cors::{AllowOrigin, CorsLayer},
};
use tracing::Instrument;
use workflows::Durable;

pub struct Served {
    pub mount: Mount,
    pub engine: Arc<Durable>,
    pub cerbos: Arc<Cerbos>,
    pub live: Arc<live::Hub>,
    pub graphiql: Option<PathBuf>,
    pub metrics: prometheus::Registry,
}

/// The address that a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

#[derive(Clone)]
struct Health {
    mount: Mount,
    engine: Arc<Durable>,
    cerbos: Arc<Cerbos>,
    live: Arc<live::Hub>,
}

pub fn router(served: Served) -> Router {
    let Served { mount, engine, cerbos, live, graphiql, metrics } = served;
    let (origins, gateway) = (mount.origins.clone(), Arc::clone(&mount.gateway));
    let health = Health { mount: mount.clone(), engine, cerbos, live: Arc::clone(&live) };
    let mut router = Router::new()
        .merge(graphql::routes(graphql::GraphQl::new(mount.clone(), live, graphiql.is_some())))
        .merge(rpc::routes(mount.clone()))
        .merge(contract_pages::routes())
        .route("/metrics", get(move || async move { exposition(&metrics) }))
        .route("/livez", get(alive));
    router = router.merge(Router::new().route("/readyz", get(ready)).with_state(health));
    if let Some(packages) = graphiql {
        router = router.merge(graphiql::routes(&packages));
    }
    router
        .fallback(|| async { refusal(&Error::new(Code::UNKNOWN_PATH)) })
        .method_not_allowed_fallback(|| async { refusal(&Error::new(Code::METHOD_NOT_ALLOWED)) })
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| refusal(&Error::internal("a handler panicked"))))
        .layer(CompressionLayer::new().gzip(true).br(true).compress_when(worth_compressing()))
        .layer(cors(origins))
        .layer(middleware::from_fn_with_state(gateway, traced))
}

/// Says that the process answers.
pub async fn alive() -> Json<serde_json::Value> {
    Json(json!({ "alive": true }))
}

/// Small answers are not worth it, and a stream's events must not wait in a compressor.
fn worth_compressing() -> impl Predicate {
    SizeAbove::new(1_024).and(NotForContentType::SSE).and(NotForContentType::const_new("multipart/mixed"))
}

/// Lets a page of another origin call. It sends a token by itself: the browser is asked to send nothing of its own.
fn cors(origins: Origins) -> CorsLayer {
    let headers = ["accept", "authorization", "content-type", "traceparent", surface::ORGANIZATION, surface::GRANT];
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| origin.to_str().is_ok_and(|origin| origins.allow(origin))))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(headers.map(HeaderName::from_static))
        .expose_headers(["x-trace-id", "etag", "retry-after"].map(HeaderName::from_static))
        .max_age(Duration::from_secs(7_200))
}

static DURATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    global::meter("hestami")
        .f64_histogram("http.server.request.duration")
        .with_unit("s")
        .with_description("From the request's head to the answer's")
        .with_boundaries(schema::SECONDS.to_vec())
        .build()
});

/// A method as metrics and spans name it. Any text may be one, and each would be a series of its own.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "_OTHER",
    }
}

/// The span of a request, above all its other spans. Its trace id is in every answer.
async fn traced(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = known(request.method());
    let route = match request.uri().path() {
        path if path.starts_with("/api/v1/rpc/") => "/api/v1/rpc/{procedure}".to_owned(),
        path @ ("/" | "/graphql" | "/openapi.json" | "/schema.graphql" | "/livez" | "/readyz" | "/metrics") => path.to_owned(),
        path if path.starts_with("/graphiql") => "/graphiql".to_owned(),
        _ => "unknown".to_owned(),
    };
    let span = tracing::info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        url.path = request.uri().path(),
        http.response.status_code = tracing::field::Empty,
        procedure = tracing::field::Empty,
        graphql.operation.name = tracing::field::Empty,
        organization_id = tracing::field::Empty,
        actor_id = tracing::field::Empty,
        actor_kind = tracing::field::Empty,
        error.code = tracing::field::Empty,
    );
    if let Some(parent) = request.headers().get("traceparent").and_then(|value| value.to_str().ok()) {
        schema::continue_from(&span, parent);
    }
    let mut response = async {
        // It must always be known whether the process lives.
        let paid = match request.extensions().get::<Peer>() {
            Some(Peer(address)) if request.uri().path() != "/livez" => gateway.rates.address(*address),
            _ => Ok(()),
        };
        let mut response = match paid {
            Ok(()) => next.run(request).await,
            Err(error) => refusal(&error),
        };
        if let Ok(id) = HeaderValue::from_str(&schema::current_trace_id()) {
            response.headers_mut().insert("x-trace-id", id);
        }
        response
    }
    .instrument(span.clone())
    .await;
    span.record("http.response.status_code", response.status().as_u16());
    // The contract alone may be kept.
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let labels = [
        KeyValue::new("http.request.method", method),
        KeyValue::new("http.route", route),
        KeyValue::new("http.response.status_code", i64::from(response.status().as_u16())),
    ];
    DURATION.record(started.elapsed().as_secs_f64(), &labels);
    response
}

/// Readiness: PostgreSQL, Cerbos, the engine and the live hub answer, and this gateway is not closing.
async fn ready(State(health): State<Health>) -> Response {
    let limit = Duration::from_secs(2);
    let within = |ok: bool| if ok { "ok" } else { "unavailable" };
    let gateway = &health.mount.gateway;
    let (postgres, cerbos, engine) = tokio::join!(
        async { matches!(tokio::time::timeout(limit, sqlx::query("SELECT 1").execute(&gateway.pool)).await, Ok(Ok(_))) },
        async { matches!(tokio::time::timeout(limit, health.cerbos.sentinel()).await, Ok(Ok(_))) },
        async { health.engine.ready() && matches!(tokio::time::timeout(limit, health.engine.reachable()).await, Ok(Ok(()))) },
    );
    let closing = gateway.tasks.closing();
    let live = health.live.ready();
    let ready = postgres && cerbos && engine && live && !closing;
    let body = json!({
        "ready": ready, "closing": closing,
        "postgresql": within(postgres), "cerbos": within(cerbos), "engine": within(engine), "live": within(live),
    });
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(body)).into_response()
}

fn exposition(registry: &prometheus::Registry) -> Response {
    let mut text = Vec::new();
    match TextEncoder::new().encode(&registry.gather(), &mut text) {
        Ok(()) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(problem) => refusal(&Error::internal(problem)),
    }
}
