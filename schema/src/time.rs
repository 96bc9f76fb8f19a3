//! A point in time as every surface writes it: RFC 3339, in UTC, with a `Z`.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, SubsecRound, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema, sea_orm::DeriveValueType)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Time(pub DateTime<Utc>);

store::wrapped!(Time, Date);

/// Parses a time as strictly as it is written, within the years 1 to 9999, and no finer than it is stored.
fn parse(text: &str) -> Option<Time> {
    // The library would take a blank for the T.
    let time = DateTime::parse_from_rfc3339(text).ok().filter(|_| !text.contains(' '))?.with_timezone(&Utc);
    (1..=9999).contains(&time.year()).then(|| Time(time.trunc_subsecs(6)))
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| D::Error::custom("not a time by RFC 3339"))
    }
}

impl From<DateTime<Utc>> for Time {
    fn from(time: DateTime<Utc>) -> Self {
        Time(time)
    }
}

/// A point in time by RFC 3339, such as `2026-05-01T09:30:00Z`.
#[Scalar(name = "DateTime", specified_by_url = "https://scalars.graphql.org/andimarek/date-time.html")]
impl ScalarType for Time {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => parse(text).ok_or_else(|| InputValueError::custom("not a time by RFC 3339")),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

/// A day of the calendar, wherever one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, JsonSchema, sea_orm::DeriveValueType)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Date(pub NaiveDate);

impl Date {
    /// Parses a day as it is written, `2026-05-01`, within the years 1 to 9999.
    pub fn parse(text: &str) -> Option<Date> {
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10)?;
        (1..=9999).contains(&day.year()).then_some(Date(day))
    }
}

impl std::fmt::Display for Date {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Date::parse(&String::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("not a day such as 2026-05-01"))
    }
}

/// A day of the calendar, such as `2026-05-01`.
#[Scalar(name = "Date", specified_by_url = "https://scalars.graphql.org/andimarek/local-date.html")]
impl ScalarType for Date {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Date::parse(text).ok_or_else(|| InputValueError::custom("not a day such as 2026-05-01")),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.to_string())
    }
}
