//! The policy decision point, asked over gRPC. An error of any kind means no.

mod client;
mod pdp;
mod proto;
mod wire;

pub use client::{Bundle, Cerbos, Settings};
pub use pdp::{Pdp, Principal, Question};
