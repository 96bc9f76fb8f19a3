pub(crate) mod changed;
pub mod list;
pub mod live;
pub mod topic;

use schema::Entry;

// One entry a line, so that a new procedure adds one line.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<list::List>(),
];

pub use list::ChangeQuery;
