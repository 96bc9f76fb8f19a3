pub mod register;

use crate::prelude::*;

schema::codes! {
    PRINCIPAL_TAKEN: Conflict, "This subject cannot be registered.";
}

// One a line, so that a new procedure is one line more.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<register::Register>(),
];

const CHANGE: Runs = Runs::mutation("principal_change", 1);
