//! Every route, on one page.

use crate::{contract_pages, graphiql, networks::Networks};
use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, Version, header},
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use opentelemetry::{KeyValue, global, metrics::Histogram};
use schema::{Code, Error, Gateway};
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
use tracing::{Instrument, Span};

pub struct Served {
    pub mount: Mount,
    pub live: Arc<live::Hub>,
    pub graphiql: Option<PathBuf>,
    /// Whose word is taken for whom a request comes, and for its trace.
    pub trusted: Networks,
}

/// The parts that every request is watched with.
#[derive(Clone)]
struct Watched {
    gateway: Arc<Gateway>,
    trusted: Arc<Networks>,
}

/// The address that a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

pub fn router(served: Served) -> Router {
    let Served { mount, live, graphiql, trusted } = served;
    let origins = mount.origins.clone();
    let watched = Watched { gateway: Arc::clone(&mount.gateway), trusted: Arc::new(trusted) };
    let mut router = Router::new()
        .merge(graphql::routes(graphql::GraphQl::new(mount.clone(), live, graphiql.is_some())))
        .merge(rpc::routes(mount.clone()))
        .merge(contract_pages::routes())
        .route("/livez", get(alive));
    if let Some(packages) = graphiql {
        router = router.merge(graphiql::routes(&packages));
    }
    router
        .fallback(|| async { refusal(&Error::new(Code::UNKNOWN_PATH)) })
        .method_not_allowed_fallback(|| async { refusal(&Error::new(Code::METHOD_NOT_ALLOWED)) })
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| refusal(&Error::internal("a handler panicked"))))
        .layer(CompressionLayer::new().gzip(true).br(true).compress_when(worth_compressing()))
        .layer(cors(origins))
        .layer(middleware::from_fn_with_state(watched, traced))
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

/// The headers of every answer, unless a page says otherwise: it is of the type that it says, stands in no frame, and loads nothing.
const SAFE: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
];

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

/// Refuses a request that names no host, or several: a proxy may take another one than the gateway.
fn one_host(request: &Request) -> Result<(), Error> {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    let named = request.uri().authority().is_some();
    // HTTP/2 names it in the address; so does a request to a proxy.
    if hosts == 1 || (hosts == 0 && named) || request.version() == Version::HTTP_10 {
        return Ok(());
    }
    Err(Error::new(Code::HOST_INVALID))
}

/// Puts a request into its trace, and answers with the address that it comes from.
fn placed(request: &Request, trusted: &Networks, span: &Span) -> Option<IpAddr> {
    let said = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    // Proxies add a line, or to a line: all of them are one list.
    let lines = request.headers().get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let forwarded = lines.collect::<Vec<_>>().join(",");
    let peer = request.extensions().get::<Peer>().map(|Peer(address)| *address);
    if let Some(parent) = said("traceparent") {
        // A stranger's trace is pointed at: the ids in our own are ours.
        if peer.is_some_and(|peer| trusted.contain(peer)) {
            schema::continue_from(span, parent);
        } else {
            schema::link_to(span, parent);
        }
    }
    peer.map(|peer| trusted.origin(peer, &forwarded))
}

/// The price of an answer as a multiple of others': the contract is large, and compressed each time.
fn dearness(path: &str) -> u64 {
    if ["/openapi.json", "/schema.graphql"].contains(&path) { 100 } else { 1 }
}

/// The span of a request, above all its other spans. Its trace id is in every answer.
async fn traced(State(Watched { gateway, trusted }): State<Watched>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = known(request.method());
    let route = match request.uri().path() {
        path if path.starts_with("/api/v1/rpc/") => "/api/v1/rpc/{procedure}".to_owned(),
        path @ ("/" | "/graphql" | "/openapi.json" | "/schema.graphql" | "/livez") => path.to_owned(),
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
    let origin = placed(&request, &trusted, &span);
    let mut response = async {
        // It must always be known whether the process lives.
        let paid = match origin {
            Some(origin) if request.uri().path() != "/livez" => gateway.rates.address(origin, dearness(request.uri().path())),
            _ => Ok(()),
        };
        let paid = match paid {
            Ok(()) => Ok(()),
            Err(error) => Err(schema::slowly(error).await),
        };
        let mut response = match paid.and_then(|()| one_host(&request)) {
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
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    for (name, value) in SAFE {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    let labels = [
        KeyValue::new("http.request.method", method),
        KeyValue::new("http.route", route),
        KeyValue::new("http.response.status_code", i64::from(response.status().as_u16())),
    ];
    DURATION.record(started.elapsed().as_secs_f64(), &labels);
    response
}
