//! Numbers that people call things by, such as `C-1042`: a letter, and a number that is dense within an organization. The database
//! gives them, in the transaction that makes the row.

use crate::{ColumnType, Datum};
use async_graphql::{
    ContextSelectionSet, InputType, InputValueError, InputValueResult, OutputType, Positioned, ServerResult, Value,
    parser::types::Field, registry::Registry,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use sea_orm::{
    ColIdx, DbErr, QueryResult, TryGetError, TryGetable,
    sea_query::{ArrayType, Expr, Nullable, SimpleExpr, ValueType, ValueTypeErr},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{borrow::Cow, fmt, str::FromStr};

/// The number of a thing, with the letter of its kind. A new row has 0 until the database gives it the next one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number<const LETTER: char>(pub i32);

/// A text that is no number of this kind.
#[derive(Debug, PartialEq, Eq)]
pub struct NoNumber(char);

impl fmt::Display for NoNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must be a number such as {}-1042", self.0)
    }
}

impl<const LETTER: char> fmt::Display for Number<LETTER> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LETTER}-{}", self.0)
    }
}

impl<const LETTER: char> FromStr for Number<LETTER> {
    type Err = NoNumber;

    /// `C-1042`, in either case, or `1042`.
    fn from_str(text: &str) -> Result<Self, NoNumber> {
        let bare = text.strip_prefix([LETTER, LETTER.to_ascii_lowercase()]).and_then(|rest| rest.strip_prefix('-'));
        let digits = bare.unwrap_or(text);
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|number| plain && *number > 0).map(Number).ok_or(NoNumber(LETTER))
    }
}

impl<const LETTER: char> Serialize for Number<LETTER> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const LETTER: char> Deserialize<'de> for Number<LETTER> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl<const LETTER: char> JsonSchema for Number<LETTER> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Number".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": format!("^{LETTER}-[1-9][0-9]*$") })
    }
}

impl<const LETTER: char> InputType for Number<LETTER> {
    type RawValueType = Self;
    fn type_name() -> Cow<'static, str> {
        <String as InputType>::type_name()
    }
    fn create_type_info(registry: &mut Registry) -> String {
        <String as InputType>::create_type_info(registry)
    }
    fn parse(value: Option<Value>) -> InputValueResult<Self> {
        let text = <String as InputType>::parse(value).map_err(InputValueError::propagate)?;
        text.parse().map_err(InputValueError::custom)
    }
    fn to_value(&self) -> Value {
        Value::String(self.to_string())
    }
    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }
}

#[async_trait::async_trait]
impl<const LETTER: char> OutputType for Number<LETTER> {
    fn type_name() -> Cow<'static, str> {
        <String as OutputType>::type_name()
    }
    fn create_type_info(registry: &mut Registry) -> String {
        <String as OutputType>::create_type_info(registry)
    }
    async fn resolve(&self, _: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        Ok(InputType::to_value(self))
    }
}

impl<const LETTER: char> store::Cell for Number<LETTER> {
    fn cell(row: &sqlx::postgres::PgRow, at: usize) -> Result<Self, sqlx::Error> {
        i32::cell(row, at).map(Number)
    }
}

impl<const LETTER: char> Datum for Number<LETTER> {
    const TYPE: ColumnType = ColumnType::Int;
    fn fact(&self) -> Option<serde_json::Value> {
        self.0.fact()
    }
    fn value(&self) -> Option<SimpleExpr> {
        Some(Expr::val(self.0))
    }
    fn mark(&self) -> i64 {
        self.0.into()
    }
    fn marked(mark: i64) -> Option<SimpleExpr> {
        i32::marked(mark)
    }
}

impl<const LETTER: char> From<Number<LETTER>> for sea_orm::Value {
    fn from(number: Number<LETTER>) -> Self {
        number.0.into()
    }
}

impl<const LETTER: char> TryGetable for Number<LETTER> {
    fn try_get_by<I: ColIdx>(row: &QueryResult, at: I) -> Result<Self, TryGetError> {
        i32::try_get_by(row, at).map(Number)
    }
}

impl<const LETTER: char> ValueType for Number<LETTER> {
    fn try_from(value: sea_orm::Value) -> Result<Self, ValueTypeErr> {
        <i32 as ValueType>::try_from(value).map(Number)
    }
    fn type_name() -> String {
        <i32 as ValueType>::type_name()
    }
    fn array_type() -> ArrayType {
        <i32 as ValueType>::array_type()
    }
    fn column_type() -> sea_orm::ColumnType {
        <i32 as ValueType>::column_type()
    }
}

impl<const LETTER: char> Nullable for Number<LETTER> {
    fn null() -> sea_orm::Value {
        i32::null()
    }
}

impl<const LETTER: char> sea_orm::TryFromU64 for Number<LETTER> {
    fn try_from_u64(_: u64) -> Result<Self, DbErr> {
        Err(DbErr::ConvertFromU64("Number"))
    }
}

#[cfg(test)]
mod tests {
    use super::{NoNumber, Number};

    #[test]
    fn a_number_is_read_as_people_write_it() {
        for text in ["C-1042", "c-1042", "1042"] {
            assert_eq!(text.parse(), Ok(Number::<'C'>(1042)), "{text}");
        }
        assert_eq!(Number::<'C'>(1042).to_string(), "C-1042");
        for text in ["", "C-", "C1042", "I-1042", "C-0", "C--1", "-1", "+1", "C-99999999999", "C-1 "] {
            assert_eq!(text.parse::<Number<'C'>>(), Err(NoNumber('C')), "{text}");
        }
    }
}
