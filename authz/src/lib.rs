//! The policy decision point, asked over gRPC. An error of any kind means no.

mod asker;
mod bundle;
mod client;
mod facts;
mod filter;
mod generated;
mod kept;
mod pdp;
mod plan;
mod proto;
mod ring;
mod settings;
mod wire;

pub use bundle::Bundle;
pub use client::Cerbos;
pub use generated::{delegated_roles, schemas};
pub use pdp::{Pdp, Principal, Question};
pub use settings::Settings;
