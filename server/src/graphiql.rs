//! GraphiQL from the npm packages, so that it works without a network. Token and organization may
//! stand in the address's fragment, which no server sees.

use axum::{Router, http::header, response::Html, routing::get};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use std::{path::Path, sync::LazyLock};
use tower_http::services::ServeFile;

const PAGE: &str = include_str!("graphiql.html");

/// The page runs its own script and those of the packages, and talks to this gateway alone.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let script = PAGE.split("<script>").nth(1).and_then(|rest| rest.split("</script>").next()).unwrap_or_default();
    let digest = BASE64_STANDARD.encode(Sha256::digest(script));
    format!(
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src 'self'; \
         script-src 'self' 'sha256-{digest}'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:"
    )
});

pub fn routes(packages: &Path) -> Router {
    let file = |name: &str| ServeFile::new(packages.join(name));
    Router::new()
        .route("/graphiql", get(|| async { ([(header::CONTENT_SECURITY_POLICY, POLICY.as_str())], Html(PAGE)) }))
        .route_service("/graphiql/react.js", file("react/umd/react.production.min.js"))
        .route_service("/graphiql/react-dom.js", file("react-dom/umd/react-dom.production.min.js"))
        .route_service("/graphiql/graphiql.js", file("graphiql/graphiql.min.js"))
        .route_service("/graphiql/graphiql.css", file("graphiql/graphiql.min.css"))
}
