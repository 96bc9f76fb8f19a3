pub mod register;

use crate::prelude::*;

schema::codes! {
    PRINCIPAL_TAKEN: Conflict, "This subject cannot be registered.";
}

// One entry a line, so that a new procedure adds one line.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<register::Register>(),
];

const CHANGE: Runs = Runs::mutation("principal_change", 1);
