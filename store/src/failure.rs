//! Failures of statements, told apart by what follows from them.

use sea_orm::{DbErr, RuntimeErr};
use sqlx::{
    error::DatabaseError,
    postgres::{PgDatabaseError, PgSeverity},
};

/// Whether a failure is transient: the same work may succeed later. The SQLSTATE classes are connection, serialization,
/// resources, operator intervention, idle and transaction time-outs, and lock time-outs.
pub fn transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(inner) => inner.code().is_some_and(|state| {
            ["08", "40", "53", "57", "25P0"].iter().any(|class| state.starts_with(class)) || state == "55P03" || fell(&**inner)
        }),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}

/// Whether the connection is lost: it is gone, or the server ended it.
pub(crate) fn broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(inner) => {
            inner.code().is_some_and(|state| ["57P01", "57P02"].contains(&state.as_ref())) || fell(&**inner)
        }
        _ => false,
    }
}

/// Whether the server itself fell over that statement, such as one that could not write its log. It comes back.
fn fell(error: &dyn DatabaseError) -> bool {
    error.try_downcast_ref::<PgDatabaseError>().is_some_and(|error| matches!(error.severity(), PgSeverity::Panic))
}

/// Whether the statement violated this constraint.
pub fn violates(error: &DbErr, constraint: &str) -> bool {
    matches!(error, DbErr::Exec(RuntimeErr::SqlxError(inner)) | DbErr::Query(RuntimeErr::SqlxError(inner))
        if matches!(&**inner, sqlx::Error::Database(db) if db.constraint() == Some(constraint)))
}
