//! The policy decision point, asked over gRPC. An error of any kind means no.

mod client;
mod plan;
mod proto;

pub use client::{Cerbos, Settings, bundle_hash};
pub use plan::{Filter, translate};
