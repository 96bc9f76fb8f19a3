//! The binary `hestami`: configuration, telemetry, the embedded servers and the wiring.

pub mod app;
mod clock_file;
pub mod config;
pub mod connections;
pub mod contract;
mod contract_pages;
pub mod demo;
pub mod denial;
pub mod embedded;
mod graphiql;
mod http;
pub mod identity;
pub mod networks;
mod operators;
pub mod park;
mod recent;
pub mod rehearsal;
pub mod secrets;
pub mod serve;
pub mod statements;
pub mod telemetry;
pub mod token;

/// An error that stops a command, printed in a line.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;
