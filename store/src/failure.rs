//! Failures of statements, told apart by what follows from them.

use sea_orm::{DbErr, RuntimeErr};

/// Whether a failure is transient: the same work may succeed later. The SQLSTATE classes are connection, serialization,
/// resources, operator intervention, idle and transaction time-outs, and lock time-outs.
pub fn transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(inner) => inner.code().is_some_and(|state| {
            ["08", "40", "53", "57", "25P0"].iter().any(|class| state.starts_with(class)) || state == "55P03"
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
        sqlx::Error::Database(inner) => inner.code().is_some_and(|state| ["57P01", "57P02"].contains(&state.as_ref())),
        _ => false,
    }
}

/// Whether the statement violated this constraint.
pub fn violates(error: &DbErr, constraint: &str) -> bool {
    matches!(error, DbErr::Exec(RuntimeErr::SqlxError(inner)) | DbErr::Query(RuntimeErr::SqlxError(inner))
        if matches!(&**inner, sqlx::Error::Database(db) if db.constraint() == Some(constraint)))
}
