//! The RPC surface: `POST /api/v1/rpc/{namespace}/{version}/{procedure}`, and its OpenAPI document. Rules do not belong here.

mod http;
mod openapi;

pub use http::routes;
pub use openapi::openapi;
