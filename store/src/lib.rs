//! PostgreSQL as a request meets it: reused connections, transactions under row security, values out of rows. The crate knows no
//! table, procedure or error code; its failures are the driver's own.

mod cell;
mod failure;
mod lanes;
mod turns;
mod tx;
mod unseen;

pub use cell::{Cell, OneOf, one_of};
pub use failure::{transient, violates};
pub use lanes::Lanes;
pub use turns::{Crowded, Presence, Turn, Turns, Whose};
pub use tx::{MOST_ACROSS, Mode, Reach, Sight, Tenant, TooMuch, Tx, Unreached};

/// Re-exported for the macro of this crate.
#[doc(hidden)]
pub mod private {
    pub use sqlx::{Error, postgres::PgRow};
}
