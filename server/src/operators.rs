//! The pages of operators, on an address of their own: whether this instance is ready, and its metrics.

use crate::http::alive;
use authz::Cerbos;
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus::{Encoder, TextEncoder};
use schema::{Engine, Error, Gateway};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use surface::refusal;
use workflows::Durable;

#[derive(Clone)]
pub struct Health {
    pub gateway: Arc<Gateway>,
    pub engine: Arc<Durable>,
    pub cerbos: Arc<Cerbos>,
    pub live: Arc<live::Hub>,
}

pub fn router(health: Health, metrics: prometheus::Registry) -> Router {
    Router::new()
        .route("/metrics", get(move || async move { exposition(&metrics) }))
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .with_state(health)
}

/// Readiness: PostgreSQL, Cerbos, the engine and the live hub answer, and this gateway is not closing.
async fn ready(State(health): State<Health>) -> Response {
    let limit = Duration::from_secs(2);
    let within = |ok: bool| if ok { "ok" } else { "unavailable" };
    let gateway = &health.gateway;
    let (postgres, cerbos, engine) = tokio::join!(
        async { matches!(tokio::time::timeout(limit, sqlx::query("SELECT 1").execute(&gateway.pool)).await, Ok(Ok(_))) },
        async { matches!(tokio::time::timeout(limit, health.cerbos.sentinel()).await, Ok(Ok(_))) },
        async { health.engine.ready() && matches!(tokio::time::timeout(limit, health.engine.reachable()).await, Ok(Ok(()))) },
    );
    let closing = gateway.tasks.closing();
    let live = health.live.ready();
    let clock = gateway.drift.ensure().is_ok();
    let ready = postgres && cerbos && engine && live && clock && !closing;
    let body = json!({
        "ready": ready, "closing": closing,
        "postgresql": within(postgres), "cerbos": within(cerbos), "engine": within(engine), "live": within(live), "clock": within(clock),
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
