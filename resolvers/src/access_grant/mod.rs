pub mod engaged;
pub mod grant;
pub mod narrow;
pub mod revoke;

use entities::{access_grant, loading::event};
use schema::{Code, Entry, Error, Result, Workflow};

// One a line, so that a new procedure is one line more.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<grant::Grant>(),
    Entry::of::<narrow::Narrow>(),
    Entry::of::<revoke::Revoke>(),
    Entry::of::<Get>(),
    Entry::of::<List>(),
    Entry::of::<engaged::Engaged>(),
];

const CHANGE: Workflow = Workflow::new("access_grant_change", 1);

crate::reads::reads!(
    access_grant: AccessGrant, AccessGrantId, AccessGrantFilter, AccessGrantOrder;
    "One grant that the acting organization gave, or was given."
        "accessGrant/v1/get" AccessGrantGetInput ("01920000-0000-7000-8000-0000000000e1"), access_grant
        "One grant that the acting organization gave, or was given.";
    "The grants that the acting organization gave, a page at a time."
        "accessGrant/v1/list" AccessGrantListInput (CreatedDesc), access_grants
        "The grants that the acting organization gave.";
    AccessGrantQuery
);

fn counts_still(row: &access_grant::Model, now: chrono::DateTime<chrono::Utc>) -> Result<()> {
    let ended = row.revoked_at.is_some() || row.ends_at.is_some_and(|ends| ends <= now);
    if ended { Err(Error::new(Code::AccessGrantEnded)) } else { Ok(()) }
}
