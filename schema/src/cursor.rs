//! Opaque cursors of keyset pages: 38 characters, whatever the list is sorted by. A cursor says which ordering it belongs to, so that
//! one of another list is refused instead of misread.

use crate::{Code, Error, Result, mark_of_text};
use async_graphql::{ContextSelectionSet, OutputType, Positioned, ServerResult, Value, parser::types::Field, registry::Registry};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use uuid::Uuid;

/// The list and its ordering, in the four bytes that a cursor has for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ordering([u8; 4]);

impl Ordering {
    /// Such as `property:NAME_ASC`.
    pub fn of(list_and_order: &str) -> Ordering {
        let [a, b, c, d, ..] = mark_of_text(list_and_order).to_be_bytes();
        Ordering([a, b, c, d])
    }
}

/// The place of a row in an ordering. It is written as text where it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Cursor {
    pub ordering: Ordering,
    pub id: Uuid,
    /// The row's sort key, in eight bytes.
    pub mark: i64,
}

impl Cursor {
    pub fn encode(&self) -> String {
        let mut bytes = [0; 28];
        bytes[..4].copy_from_slice(&self.ordering.0);
        bytes[4..20].copy_from_slice(self.id.as_bytes());
        bytes[20..].copy_from_slice(&self.mark.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub fn decode(text: &str, ordering: Ordering, field: &str) -> Result<Cursor> {
        Cursor::read(text).filter(|cursor| cursor.ordering == ordering).ok_or_else(|| Cursor::invalid(field))
    }

    fn read(text: &str) -> Option<Cursor> {
        let bytes = <[u8; 28]>::try_from(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (ordering, rest) = bytes.split_first_chunk()?;
        let (id, mark) = rest.split_first_chunk()?;
        let (ordering, id) = (Ordering(*ordering), Uuid::from_bytes(*id));
        Some(Cursor { ordering, id, mark: i64::from_be_bytes(mark.try_into().ok()?) })
    }

    /// The refusal of a cursor.
    pub fn invalid(field: &str) -> Error {
        Error::new(Code::INVALID_CURSOR).field(field, "INVALID_CURSOR", Code::INVALID_CURSOR.message())
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> String {
        cursor.encode()
    }
}

impl TryFrom<String> for Cursor {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Cursor, &'static str> {
        Cursor::read(&text).ok_or("a cursor")
    }
}

impl JsonSchema for Cursor {
    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }

    fn inline_schema() -> bool {
        true
    }
}

#[async_trait]
impl OutputType for Cursor {
    fn type_name() -> Cow<'static, str> {
        <String as OutputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <String as OutputType>::create_type_info(registry)
    }

    async fn resolve(&self, _: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        Ok(Value::String(self.encode()))
    }
}
