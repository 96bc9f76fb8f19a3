//! `POST /api/v1/rpc/{namespace}/{version}/{procedure}`, and its description. There is no rule here.

mod http;
mod openapi;

pub use http::routes;
pub use openapi::openapi;
