//! The contract as files that tools read, and the page at the root that says where they are.

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// A document, made when it is first asked for. Clients keep it, and ask whether it is still the same.
struct Document {
    media: &'static str,
    made: LazyLock<(Bytes, String)>,
}

impl Document {
    const fn new(media: &'static str, make: fn() -> (Bytes, String)) -> Document {
        Document { media, made: LazyLock::new(make) }
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let (text, tag) = &*self.made;
        let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
        let same = known.is_some_and(|tags| tags.split(',').any(|known| [tag, "*"].contains(&known.trim())));
        let body = if same { Bytes::new() } else { text.clone() };
        let status = if same { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
        let caching = (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        let mut response =
            (status, [caching, (header::CONTENT_TYPE, HeaderValue::from_static(self.media))], body).into_response();
        if let Ok(tag) = HeaderValue::from_str(tag) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

/// Weak, because a compressed answer has other bytes.
fn tagged(text: String) -> (Bytes, String) {
    let tag = format!("W/\"{}\"", &crate::secrets::hex(&Sha256::digest(&text))[..32]);
    (text.into(), tag)
}

static OPENAPI: Document = Document::new("application/json", || tagged(rpc::openapi(resolvers::TABLE).to_string()));
static SDL: Document = Document::new("application/graphql; charset=utf-8", || tagged(graphql::sdl()));

/// The page has a style of its own, and nothing else.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE: &str = include_str!("index.html");

pub fn routes() -> Router {
    Router::new()
        .route("/openapi.json", get(async |headers: HeaderMap| OPENAPI.answer(&headers)))
        .route("/schema.graphql", get(async |headers: HeaderMap| SDL.answer(&headers)))
        .route("/", get(async || ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE))))
}
