mod changed;
pub mod list;
pub mod live;
pub mod topic;

use schema::Entry;

// One a line, so that a new procedure is one line more.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<list::List>(),
];

pub use list::ChangeQuery;
