use crate::prelude::*;
use concierge::internal_note;

#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<Get>(),
    Entry::of::<List>(),
];

reads!(
    internal_note: InternalNote;
    "One note that the acting desk keeps for itself."
        "internalNote/v1/get" InternalNoteGetInput, internal_note
        "One note that the acting desk keeps for itself.";
    "The notes that the acting desk keeps for itself, a page at a time."
        "internalNote/v1/list" InternalNoteListInput (CreatedAsc), internal_notes
        "The notes that the acting desk keeps for itself about the cases of those who let it in.";
    InternalNoteQuery
);
