//! Subscriptions. Subscribers with the same document and the same rights share each answer.

mod asked;
mod maker;
pub mod pace;
mod patience;
pub mod shapes;
mod subscription;

pub use asked::wrong;
pub use subscription::{Out, Subscription};
