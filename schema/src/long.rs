//! Whole numbers that a GraphQL `Int` is too narrow for.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema, sea_orm::DeriveValueType)]
#[serde(transparent)]
#[schemars(inline, extend("minimum" = -Long::MOST, "maximum" = Long::MOST))]
pub struct Long(pub i64);

store::wrapped!(Long);

impl Long {
    /// The largest number that every client can hold exactly, JavaScript among them.
    pub const MOST: i64 = 9_007_199_254_740_991;

    /// A sum, or an average, as every client can hold it.
    pub fn told(self) -> crate::Result<Long> {
        Long::checked(self.0).ok_or_else(|| crate::Error::new(crate::Code::FIGURE_TOO_LARGE))
    }

    fn checked(number: i64) -> Option<Long> {
        (-Long::MOST..=Long::MOST).contains(&number).then_some(Long(number))
    }
}

const REFUSED: &str = "not a whole number of at most 53 bits";

impl<'de> Deserialize<'de> for Long {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Long::checked(i64::deserialize(deserializer)?).ok_or_else(|| D::Error::custom(REFUSED))
    }
}

/// A whole number of at most 53 bits, wider than an Int: JSON's number.
#[Scalar(name = "Long", specified_by_url = "https://www.rfc-editor.org/rfc/rfc8259#section-6")]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::Number(number) => number.as_i64().and_then(Long::checked).ok_or_else(|| InputValueError::custom(REFUSED)),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::Number(self.0.into())
    }
}
