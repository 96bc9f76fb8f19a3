use crate::Operation;

/// A mutation's answer. Without a result the operation is still running: ask for it later, or send the same key again.
#[derive(Debug)]
pub struct Answer<T> {
    pub result: Option<T>,
    pub operation: Operation,
    /// True if an earlier request with this key did it.
    pub replayed: bool,
}
