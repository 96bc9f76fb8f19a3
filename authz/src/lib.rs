//! The policy decision point, asked over gRPC. An error of any kind means no.

mod bundle;
mod client;
mod kept;
mod pdp;
mod proto;
mod wire;

pub use bundle::Bundle;
pub use client::{Cerbos, Settings};
pub use pdp::{Pdp, Principal, Question};
