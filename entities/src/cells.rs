//! Rows of lists, read by their places.

use schema::{Result, Tx};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryResult, QueryTrait, Select};

/// A row, whose columns begin at a place.
pub trait Cells: FromQueryResult {
    fn read(row: &QueryResult, _from: usize) -> std::result::Result<Self, DbErr> {
        Self::from_query_result(row, "")
    }
}

/// Reads a row by place: the fields in the order in which they are declared.
macro_rules! cells {
    ($type:ident { $($field:ident),* $(,)? }) => {
        impl $crate::cells::Cells for $type {
            fn read(row: &sea_orm::QueryResult, from: usize) -> std::result::Result<Self, sea_orm::DbErr> {
                let row = row.try_as_pg_row().ok_or_else(|| sea_orm::DbErr::Type("not a row of PostgreSQL".into()))?;
                let failed = |error: sqlx::Error| sea_orm::DbErr::Query(sea_orm::RuntimeErr::SqlxError(error.into()));
                let mut at = from..;
                Ok($type {
                    $($field: {
                        let at = at.next().unwrap_or(usize::MAX);
                        debug_assert_eq!(sqlx::Column::name(&sqlx::Row::columns(row)[at]), stringify!($field));
                        schema::Cell::cell(row, at).map_err(failed)?
                    },)*
                })
            }
        }
    };
}
pub(crate) use cells;

pub async fn all<E>(tx: &Tx, select: Select<E>) -> Result<Vec<E::Model>>
where
    E: EntityTrait,
    E::Model: Cells,
{
    let rows = tx.query_all(select.as_query()).await?;
    Ok(rows.iter().map(|row| Cells::read(row, 0)).collect::<std::result::Result<_, _>>()?)
}
