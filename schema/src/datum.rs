//! The value of a column: its type in the database, its form in a cursor, and its form in a policy.

use crate::{Date, Long, Time};
use chrono::{DateTime, SecondsFormat, Utc};
use sea_orm::sea_query::{Expr, SimpleExpr};
use serde_json::Value;
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

    /// The value as a cursor keeps it.
    fn key(&self) -> String {
        String::new()
    }

    /// A cursor's key, to be compared with the column. None: no row has such a key.
    fn bind(_: &str) -> Option<SimpleExpr> {
        None
    }
}

macro_rules! data {
    ($($type:ty = $column:ident, $self:ident: $fact:expr, $key:expr, |$text:ident| $bind:expr;)*) => {
        $(
            impl Datum for $type {
                const TYPE: ColumnType = ColumnType::$column;
                fn fact(&$self) -> Option<Value> {
                    Some($fact)
                }
                fn key(&$self) -> String {
                    $key
                }
                fn bind($text: &str) -> Option<SimpleExpr> {
                    $bind
                }
            }
        )*
    };
}

data! {
    bool = Bool, self: (*self).into(), self.to_string(), |_text| None;
    i32 = Int, self: (*self).into(), self.to_string(), |text| Some(Expr::val(text.parse::<i32>().ok()?));
    i64 = Long, self: (*self).into(), self.to_string(), |text| Some(Expr::val(text.parse::<i64>().ok()?));
    Long = Long, self: self.0.into(), self.0.to_string(), |text| i64::bind(text);
    String = Text, self: self.clone().into(), self.clone(), |text| Some(Expr::val(text));
    Uuid = Uuid, self: self.to_string().into(), self.to_string(), |text| Some(Expr::val(text.parse::<Uuid>().ok()?));
    DateTime<Utc> = Time, self: self.key().into(), self.to_rfc3339_opts(SecondsFormat::Micros, true), |text| bind_time(text);
    Time = Time, self: self.key().into(), self.0.key(), |text| bind_time(text);
    Date = Date, self: self.to_string().into(), self.to_string(), |text| Some(Expr::val(Date::parse(text)?.0));
    Value = Json, self: self.clone(), String::new(), |_text| None;
    Vec<String> = Texts, self: self.clone().into(), String::new(), |_text| None;
    Vec<u8> = Bytes, self: Value::Null, String::new(), |_text| None;
}

fn bind_time(text: &str) -> Option<SimpleExpr> {
    Some(Expr::val(DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc)))
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
