//! The value of a column: its type in the database, its mark in a cursor, and its form in a policy.

use crate::{Date, Long, Time};
use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, Utc};
use sea_orm::sea_query::{Expr, SimpleExpr};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The type of a column, as far as policies, cursors and the catalog's test tell types apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    Bool,
    Int,
    Long,
    Text,
    Uuid,
    Time,
    Date,
    Json,
    Bytes,
    /// A list of texts.
    Texts,
}

/// A type of Rust that a column has.
pub trait Datum: Sized {
    const TYPE: ColumnType;
    const NULLABLE: bool = false;
    /// The texts that the column may hold, where it holds one of a few.
    const TEXTS: &'static [&'static str] = &[];

    /// The value as a policy sees it. None: the attribute is missing.
    fn fact(&self) -> Option<Value>;

    /// The value, to be compared with the column. None: no list is sorted by such a column.
    fn value(&self) -> Option<SimpleExpr> {
        None
    }

    /// The value in the eight bytes that a cursor has for it. For a text they are a hash, which tells that it was changed.
    fn mark(&self) -> i64 {
        0
    }

    /// The value behind a mark. None: its row must be looked up.
    fn marked(_: i64) -> Option<SimpleExpr> {
        None
    }
}

macro_rules! data {
    ($($type:ty = $column:ident, $self:ident: $fact:expr $(, $value:expr, $mark:expr, |$marked:ident| $at:expr)?;)*) => {
        $(
            impl Datum for $type {
                const TYPE: ColumnType = ColumnType::$column;
                fn fact(&$self) -> Option<Value> {
                    Some($fact)
                }
                $(
                    fn value(&$self) -> Option<SimpleExpr> {
                        Some(Expr::val($value))
                    }
                    fn mark(&$self) -> i64 {
                        $mark
                    }
                    fn marked($marked: i64) -> Option<SimpleExpr> {
                        $at
                    }
                )?
            }
        )*
    };
}

data! {
    bool = Bool, self: (*self).into();
    i32 = Int, self: (*self).into(), *self, i64::from(*self), |mark| Some(Expr::val(i32::try_from(mark).ok()?));
    i64 = Long, self: (*self).into(), *self, *self, |mark| Some(Expr::val(mark));
    Long = Long, self: self.0.into(), self.0, self.0, |mark| Some(Expr::val(mark));
    String = Text, self: self.clone().into(), self.as_str(), mark_of_text(self), |_mark| None;
    Uuid = Uuid, self: self.to_string().into();
    DateTime<Utc> = Time, self: self.to_rfc3339_opts(SecondsFormat::Micros, true).into(), *self, self.timestamp_micros(),
        |mark| Some(Expr::val(DateTime::from_timestamp_micros(mark).filter(|time| (1..=9999).contains(&time.year()))?));
    Time = Time, self: self.0.to_rfc3339_opts(SecondsFormat::Micros, true).into(), self.0, self.0.timestamp_micros(),
        |mark| DateTime::<Utc>::marked(mark);
    Date = Date, self: self.to_string().into(), self.0, self.0.to_epoch_days().into(),
        |mark| Some(Expr::val(NaiveDate::from_epoch_days(i32::try_from(mark).ok()?).filter(|day| (1..=9999).contains(&day.year()))?));
    Value = Json, self: self.clone();
    Vec<String> = Texts, self: self.clone().into();
    Vec<u8> = Bytes, self: Value::Null;
}

/// The first eight bytes of a text's hash.
pub fn mark_of_text(text: &str) -> i64 {
    let digest = Sha256::digest(text.as_bytes());
    digest.first_chunk().map_or(0, |first| i64::from_be_bytes(*first))
}

impl<T: Datum> Datum for Option<T> {
    const TYPE: ColumnType = T::TYPE;
    const NULLABLE: bool = true;
    const TEXTS: &'static [&'static str] = T::TEXTS;

    fn fact(&self) -> Option<Value> {
        self.as_ref()?.fact()
    }
}

/// An enum that is stored as text.
pub trait TextEnum: store::OneOf + Copy + 'static {
    const TEXTS: &'static [&'static str];
    fn text(self) -> &'static str;
}

impl<T: TextEnum> Datum for Vec<T> {
    const TYPE: ColumnType = ColumnType::Texts;
    const TEXTS: &'static [&'static str] = T::TEXTS;

    fn fact(&self) -> Option<Value> {
        Some(self.iter().map(|one| Value::from(one.text())).collect())
    }
}
