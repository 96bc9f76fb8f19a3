//! Opaque cursors of keyset pages. A cursor says which ordering it belongs to, so that one of
//! another list is refused instead of misread.

use crate::{Code, Error, Result};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// List and ordering, such as `property:NAME_ASC`.
    #[serde(rename = "o")]
    pub order: String,
    /// The sort key of the row.
    #[serde(rename = "k")]
    pub key: String,
    #[serde(rename = "i")]
    pub id: Uuid,
}

impl Cursor {
    pub fn encode(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let json = serde_json::to_vec(self).unwrap_or_default();
        let digits = json.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| DIGITS[usize::from(digit)]);
        String::from_utf8(digits.collect()).unwrap_or_default()
    }

    pub fn decode(text: &str, order: &str, field: &str) -> Result<Cursor> {
        let refuse = || Error::new(Code::INVALID_CURSOR).field(field, "INVALID_CURSOR", Code::INVALID_CURSOR.message());
        if text.len() > 2048 || !text.is_ascii() || !text.len().is_multiple_of(2) {
            return Err(refuse());
        }
        let bytes: Option<Vec<u8>> =
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect();
        let cursor: Cursor = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or_else(refuse)?;
        // No row's key contains NUL, so the gateway did not make such a cursor.
        let sound = cursor.order == order && !cursor.key.contains('\0');
        if sound { Ok(cursor) } else { Err(refuse()) }
    }
}
