//! Values read from a row by column position. The library's own reading looks each column up by its name, and formats an error
//! text for each NULL.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{Error, Row, ValueRef, postgres::PgRow};
use uuid::Uuid;

/// A value that can be read from a row by its position.
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

/// Reads a type with one unnamed field as that field is read.
#[macro_export]
macro_rules! wrapped {
    ($($type:ident),*) => {
        $(
            impl $crate::Cell for $type {
                fn cell(row: &$crate::private::PgRow, at: usize) -> std::result::Result<Self, $crate::private::Error> {
                    $crate::Cell::cell(row, at).map($type)
                }
            }
        )*
    };
}

impl<T: Cell> Cell for Option<T> {
    fn cell(row: &PgRow, at: usize) -> Result<Self, Error> {
        if row.try_get_raw(at)?.is_null() { Ok(None) } else { T::cell(row, at).map(Some) }
    }
}

/// A value that is stored as one of a few texts.
pub trait OneOf: Sized {
    fn of_text(text: &str) -> Option<Self>;
}

fn parsed<T: OneOf>(text: &str, at: usize) -> Result<T, Error> {
    let unknown = || Error::ColumnDecode { index: at.to_string(), source: format!("{text:?} is none of them").into() };
    T::of_text(text).ok_or_else(unknown)
}

pub fn one_of<T: OneOf>(row: &PgRow, at: usize) -> Result<T, Error> {
    parsed(row.try_get(at)?, at)
}

impl<T: OneOf> Cell for Vec<T> {
    fn cell(row: &PgRow, at: usize) -> Result<Self, Error> {
        let texts: Vec<String> = row.try_get(at)?;
        texts.iter().map(|text| parsed(text, at)).collect()
    }
}
