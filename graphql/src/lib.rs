//! The GraphQL surface: its roots, its limits and its transport. There is no SQL here.

mod errors;
mod http;
mod kinds;
mod limits;
mod live;
mod roots;
mod streams;
mod ws;

pub use http::{GraphQl, routes};
pub use kinds::{PLANNED, planned};
pub use live::Shapes;
pub use roots::{GatewaySchema, schema, sdl};
