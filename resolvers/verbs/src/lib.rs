//! The parts that the verbs of every pillar share: the names that their files import, the reads of every kind, other lists, and the verbs
//! that archive and restore.

pub mod lists;
pub mod reads;
pub mod shelf;
pub mod timed;

/// The names that a verb's file imports.
pub mod prelude {
    pub use crate::{Listed, ensure_in_use, ensure_stands, lists, reads, shelf, timed};
    pub use async_graphql::MaybeUndefined;
    pub use kind::{Kind as _, New, NewBelow, Row as _, Seen, Term, Termed as _, Verbs as _, input, patch};
    pub use schema::{
        ARCHIVED, Allowed, Change, Code, Constraint as _, Context, Date, ENDED, Entry, Error, NOT_ARCHIVED, OrganizationId,
        PrincipalId, Procedure, Result, Runs, TAKEN, Time,
    };
}

/// The subject of a list: every row that the filter lets through.
pub struct Listed(pub &'static [&'static str]);

impl schema::Subject for Listed {
    fn judged(&self) -> schema::Judged {
        schema::Judged::Filter(self.0)
    }
}

/// Refuses a row that is archived.
pub fn ensure_in_use<K: kind::Kind>(row: &K, archived: schema::Code) -> schema::Result<()> {
    if row.archived() { Err(kind::refusal::<K>(archived)) } else { Ok(()) }
}

/// Refuses a row in whose place another stands.
pub fn ensure_stands<K: kind::Corrects>(row: &K, corrected: schema::Code) -> schema::Result<()> {
    if row.stands() { Ok(()) } else { Err(kind::refusal::<K>(corrected)) }
}
