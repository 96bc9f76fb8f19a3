//! Subscriptions. Everyone who asks for the same under the same rights gets the same answer, which is made once.

mod asked;
mod maker;
mod patience;
pub mod shapes;
mod subscription;

pub use asked::wrong;
pub use subscription::{Out, Subscription};
