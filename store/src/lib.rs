//! PostgreSQL as a request meets it: connections that are taken again as they are, transactions under row security, values
//! out of rows. Nothing here knows a table, a procedure or an error code; a failure is the driver's own.

mod cell;
mod failure;
mod lanes;
mod tx;
mod unseen;

pub use cell::{Cell, OneOf, one_of};
pub use failure::{transient, violates};
pub use lanes::Lanes;
pub use tx::{MOST_ACROSS, Mode, Reach, Sight, Tenant, Tx, Unreached};

/// Re-exported for the macro of this crate.
#[doc(hidden)]
pub mod private {
    pub use sqlx::{Error, postgres::PgRow};
}
