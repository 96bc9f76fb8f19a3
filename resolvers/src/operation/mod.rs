use crate::prelude::*;
use entities::operation;

// One entry a line, so that a new procedure adds one line.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<Get>(),
    Entry::of::<List>(),
];

reads!(
    operation: Operation;
    "One recorded mutation of the acting organization."
        "operation/v1/get" OperationGetInput, operation
        "One recorded mutation of the acting organization.";
    "The acting organization's recorded mutations, a page at a time."
        "operation/v1/list" OperationListInput (CreatedDesc), operations
        "The acting organization's recorded mutations, newest first.";
    OperationQuery
);
