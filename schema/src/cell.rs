//! Values out of a row by their place: the library looks each column up by its name, and writes the text of an error for
//! each NULL.

use crate::{Date, Long, Time};
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{Error, Row, ValueRef, postgres::PgRow};
use uuid::Uuid;

pub trait Cell: Sized {
    fn cell(row: &PgRow, at: usize) -> Result<Self, Error>;
}

macro_rules! as_it_is {
    ($($type:ty),*) => {
        $(
            impl Cell for $type {
                fn cell(row: &PgRow, at: usize) -> Result<Self, Error> {
                    row.try_get(at)
                }
            }
        )*
    };
}
as_it_is!(DateTime<Utc>, NaiveDate, String, Uuid, Vec<String>, Vec<u8>, bool, i32, i64, serde_json::Value);

macro_rules! wrapped {
    ($($type:ident),*) => {
        $(
            impl Cell for $type {
                fn cell(row: &PgRow, at: usize) -> Result<Self, Error> {
                    Cell::cell(row, at).map($type)
                }
            }
        )*
    };
}
wrapped!(Date, Long, Time);

impl<T: Cell> Cell for Option<T> {
    fn cell(row: &PgRow, at: usize) -> Result<Self, Error> {
        if row.try_get_raw(at)?.is_null() { Ok(None) } else { T::cell(row, at).map(Some) }
    }
}

/// What is one of a few texts.
pub fn one_of<T>(row: &PgRow, at: usize, parse: fn(&str) -> Option<T>) -> Result<T, Error> {
    let text: &str = row.try_get(at)?;
    parse(text).ok_or_else(|| Error::ColumnDecode { index: at.to_string(), source: format!("{text:?} is none of them").into() })
}
