//! GraphiQL from the npm packages, so that it works without a network. Token and organization may
//! stand in the address's fragment, which no server sees.

use axum::{Router, response::Html, routing::get};
use std::path::Path;
use tower_http::services::ServeFile;

const PAGE: &str = include_str!("graphiql.html");

pub fn routes(packages: &Path) -> Router {
    let file = |name: &str| ServeFile::new(packages.join(name));
    Router::new()
        .route("/graphiql", get(|| async { Html(PAGE) }))
        .route_service("/graphiql/react.js", file("react/umd/react.production.min.js"))
        .route_service("/graphiql/react-dom.js", file("react-dom/umd/react-dom.production.min.js"))
        .route_service("/graphiql/graphiql.js", file("graphiql/graphiql.min.js"))
        .route_service("/graphiql/graphiql.css", file("graphiql/graphiql.min.css"))
}
