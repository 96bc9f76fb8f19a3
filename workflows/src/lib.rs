//! The durable engine, behind one small module: another engine touches this folder only.

mod engine;
mod life;
mod supervisor;
mod timer;

pub use engine::{Durable, Settings, migrate};
pub use life::Lives;
pub use supervisor::{Supervision, Supervisor};
