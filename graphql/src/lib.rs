//! The GraphQL surface: its roots, its limits and its transport. SQL does not belong here.

mod bounds;
mod cost;
mod descriptions;
mod documents;
mod errors;
mod http;
mod kinds;
pub mod limits;
mod live;
mod looks;
mod merge;
mod mount;
mod request;
mod roots;
mod seats;
mod streams;
mod ws;

pub use http::routes;
pub use kinds::{Plans, planned, plans};
pub use mount::GraphQl;
pub use roots::{GatewaySchema, schema, sdl};
