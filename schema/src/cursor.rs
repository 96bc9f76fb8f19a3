//! Opaque cursors of keyset pages: 38 characters, whatever the list is sorted by. A cursor says which ordering it belongs to, so that
//! one of another list is refused instead of misread.

use crate::{Code, Error, Result, mark_of_text};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

/// The place of a row in an ordering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The list and its ordering.
    ordering: [u8; 4],
    pub id: Uuid,
    /// The row's sort key, in eight bytes.
    pub mark: i64,
}

impl Cursor {
    /// `ordering` is the list and its order, such as `property:NAME_ASC`.
    pub fn new(ordering: &str, id: Uuid, mark: i64) -> Cursor {
        Cursor { ordering: short(ordering), id, mark }
    }

    pub fn encode(&self) -> String {
        let mut bytes = [0; 28];
        bytes[..4].copy_from_slice(&self.ordering);
        bytes[4..20].copy_from_slice(self.id.as_bytes());
        bytes[20..].copy_from_slice(&self.mark.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub fn decode(text: &str, ordering: &str, field: &str) -> Result<Cursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| <[u8; 28]>::try_from(bytes).ok());
        let cursor = bytes.and_then(|bytes| {
            let (ordering, rest) = bytes.split_first_chunk()?;
            let (id, mark) = rest.split_first_chunk()?;
            Some(Cursor { ordering: *ordering, id: Uuid::from_bytes(*id), mark: i64::from_be_bytes(mark.try_into().ok()?) })
        });
        match cursor {
            Some(cursor) if cursor.ordering == short(ordering) => Ok(cursor),
            _ => Err(Cursor::invalid(field)),
        }
    }

    /// The refusal of a cursor.
    pub fn invalid(field: &str) -> Error {
        Error::new(Code::INVALID_CURSOR).field(field, "INVALID_CURSOR", Code::INVALID_CURSOR.message())
    }
}

fn short(ordering: &str) -> [u8; 4] {
    let [a, b, c, d, ..] = mark_of_text(ordering).to_be_bytes();
    [a, b, c, d]
}
