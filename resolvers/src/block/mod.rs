pub mod create;
pub mod lift;

use crate::prelude::*;
use entities::block;

schema::codes! {
    BLOCK_EXISTS: Conflict, "They are blocked already.";
    BLOCK_LIFTED: Conflict, "The block was lifted, or has ended.";
}

// One entry a line, so that a new procedure adds one line.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<create::Create>(),
    Entry::of::<lift::Lift>(),
    Entry::of::<Get>(),
    Entry::of::<List>(),
];

const CHANGE: Runs = Runs::mutation("block_change", 1);

reads!(
    block: Block;
    "One block in the acting organization."
        "block/v1/get" BlockGetInput, block
        "One block in the acting organization.";
    "Who is, or was, blocked in the acting organization, a page at a time."
        "block/v1/list" BlockListInput (CreatedDesc), blocks
        "Who is, or was, blocked in the acting organization.";
    BlockQuery
);
