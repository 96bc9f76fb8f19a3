pub mod register;

use schema::{Entry, Workflow};

// One a line, so that a new procedure is one line more.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<register::Register>(),
];

const CHANGE: Workflow = Workflow::new("principal_change", 1);
