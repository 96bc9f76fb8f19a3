pub mod accept;
pub mod decline;
pub mod expire;
pub mod grant;
pub mod narrow;
pub mod revoke;
pub mod settle;
pub mod to_come;

use crate::prelude::*;
use entities::{
    delegation::{self, DelegatedAction, Delegation, DelegationState},
    delegation_item::{self, Item},
    delegation_line,
    membership::Membership,
};
use kind::Edit;
use uuid::Uuid;

schema::codes! {
    DELEGATION_ENDED: Conflict, "The delegation has ended.";
    DELEGATION_NOT_OFFERED: Conflict, "The delegation is no open offer: it was answered, taken back, or waited too long.";
    DELEGATION_TERM_OPEN: Conflict, "The delegation's term has not ended yet.";
    DELEGATION_EXCEEDS: Conflict, "Nobody can delegate more than they have; see field_errors.";
}

// One entry a line, so that a new procedure adds one line.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<grant::Grant>(),
    Entry::of::<accept::Accept>(),
    Entry::of::<decline::Decline>(),
    Entry::of::<narrow::Narrow>(),
    Entry::of::<revoke::Revoke>(),
    Entry::of::<expire::Expire>(),
    Entry::of::<settle::Settle>(),
    Entry::of::<Get>(),
    Entry::of::<List>(),
];

const CHANGE: Runs = Runs::mutation("delegation_change", 1);

reads!(
    delegation: Delegation;
    "One delegation by the acting organization."
        "delegation/v1/get" DelegationGetInput, delegation
        "One delegation by the acting organization.";
    "The acting organization's delegations, a page at a time. You see all of them if your role stands for its owner, else your own."
        "delegation/v1/list" DelegationListInput (CreatedDesc), delegations
        "The acting organization's delegations. You see all of them if your role stands for its owner, else your own.";
    DelegationQuery
);

/// Refuses a delegation that counts no more: one that has ended, or that rests on one that has.
async fn ensure_open(cx: &Context, row: &Delegation) -> Result<()> {
    let at = row.starts_at.0.max(cx.now());
    if row.term().open(cx.now().into()) && delegation_line::rests(cx.tx().await?, row.organization_id, row.id, at).await? {
        return Ok(());
    }
    Err(Error::new(DELEGATION_ENDED))
}

/// The next state of a delegation. Refuses one that has ended.
fn moved(row: &Delegation, next: DelegationState) -> Result<DelegationState> {
    row.state.to(next).map_err(|_| Error::new(DELEGATION_ENDED))
}

fn exceeds(field: impl Into<String>, message: &str) -> Error {
    Error::new(DELEGATION_EXCEEDS).field(field, "EXCEEDS", message)
}

/// The part of a delegation that stays.
struct Rest {
    items: Vec<Item>,
    actions: Vec<DelegatedAction>,
    may_delegate: bool,
    ends_at: Option<Time>,
}

impl Rest {
    fn nothing() -> Rest {
        Rest { items: Vec::new(), actions: Vec::new(), may_delegate: false, ends_at: None }
    }
}

/// Reduces a delegation to the rest. Those that rest on it count for no more from now on; `settle` notes that in their rows.
async fn reduce(cx: &Context, row: Edit<Delegation>, rest: Rest, reason: Option<&str>) -> Result<Delegation> {
    delegation_line::hold(cx.tx().await?).await?;
    keep_only(cx, row, rest, reason).await
}

async fn keep_only(cx: &Context, mut row: Edit<Delegation>, rest: Rest, reason: Option<&str>) -> Result<Delegation> {
    if rest.items.is_empty() || rest.actions.is_empty() {
        let state = moved(&row, DelegationState::Revoked)?;
        let row = cx.end(row, state, reason.map(str::to_owned), "revoked").await?;
        delegation_line::cut(cx.tx().await?, row.id, true, cx.now()).await?;
        return Ok(row);
    }
    let gone = held(cx, &row).await?.into_iter().filter(|there| !rest.items.contains(&there.into()));
    let gone: Vec<Uuid> = gone.map(|there| there.id).collect();
    if !gone.is_empty() {
        delegation_item::remove(row.organization_id, &gone, cx.now()).exec(cx.tx().await?).await?;
        row.related("items");
    }
    let Rest { items: _, actions, may_delegate, ends_at } = rest;
    // Nothing that was passed on counts any more once it may not be passed on.
    let cut = row.may_delegate && !may_delegate;
    let (actions, may_delegate, ends_at) = (Some(actions), Some(may_delegate), Some(ends_at));
    patch!(row: actions, may_delegate, ends_at);
    let version = row.version;
    let row = cx.save(row, "narrowed").await?;
    if row.version > version {
        delegation_line::cut(cx.tx().await?, row.id, cut, cx.now()).await?;
    }
    Ok(row)
}

/// Ends every delegation that rests on a member who no longer stands for the owner, since this membership ended or changed.
pub async fn cut_from(cx: &Context, membership: &Membership) -> Result<()> {
    let Some(member) = membership.principal_id else { return Ok(()) };
    let tx = cx.tx().await?;
    if delegation::may_give(tx, cx.owner(), member, cx.now()).await? {
        return Ok(());
    }
    delegation_line::cut_from(tx, member, membership.id, cx.now()).await
}

/// Records the delegation by which an actor who does not stand for the owner changes one: the same one if the actor holds it,
/// else its parent, which the actor passed on.
fn note_permitting(cx: &Context, row: &Delegation) {
    if !cx.actor.stands_for_owner() {
        let permitting = if row.holder_id == cx.actor.principal { Some(row.id) } else { row.parent_id };
        if let Some(permitting) = permitting {
            cx.on_behalf_of(permitting.0);
        }
    }
}

async fn held(cx: &Context, row: &Delegation) -> Result<Vec<delegation_item::Model>> {
    Ok(delegation_item::of(row.organization_id, &[row.id]).all(cx.tx().await?).await?)
}

async fn items(cx: &Context, row: &Delegation) -> Result<Vec<Item>> {
    Ok(held(cx, row).await?.iter().map(Into::into).collect())
}
