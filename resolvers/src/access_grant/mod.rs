pub mod accept;
pub mod decline;
pub mod engaged;
pub mod grant;
pub mod narrow;
pub mod offers;
pub mod revoke;

use crate::prelude::*;
use entities::access_grant;

schema::codes! {
    ACCESS_GRANT_ENDED: Conflict, "The grant has ended.";
    ACCESS_GRANT_NOT_OFFERED: Conflict, "The grant is no open offer: it was answered, taken back, or waited too long.";
}

// One entry a line, so that a new procedure adds one line.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<grant::Grant>(),
    Entry::of::<accept::Accept>(),
    Entry::of::<decline::Decline>(),
    Entry::of::<narrow::Narrow>(),
    Entry::of::<revoke::Revoke>(),
    Entry::of::<Get>(),
    Entry::of::<List>(),
    Entry::of::<engaged::Engaged>(),
    Entry::of::<offers::Offers>(),
];

const CHANGE: Runs = Runs::mutation("access_grant_change", 1);

reads!(
    access_grant: AccessGrant;
    "One grant that the acting organization gave, or was given."
        "accessGrant/v1/get" AccessGrantGetInput, access_grant
        "One grant that the acting organization gave, or was given.", across;
    "The grants that the acting organization gave, a page at a time."
        "accessGrant/v1/list" AccessGrantListInput (CreatedDesc), access_grants
        "The grants that the acting organization gave.";
    AccessGrantQuery
);

fn ensure_open(cx: &Context, row: &access_grant::Model) -> Result<()> {
    if row.term().open(cx.now().into()) { Ok(()) } else { Err(Error::new(ACCESS_GRANT_ENDED)) }
}
