pub mod expire;
pub mod grant;
pub mod narrow;
pub mod revoke;

use crate::prelude::*;
use entities::{
    delegation::{self, DelegatedAction, Delegation, DelegationState},
    delegation_item::{self, Item},
};
use kind::Edit;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, sea_query::LockType,
};

schema::codes! {
    DELEGATION_ENDED: Conflict, "The delegation has ended.";
    DELEGATION_TERM_OPEN: Conflict, "The delegation's term has not ended yet.";
    DELEGATION_EXCEEDS: Conflict, "Nobody can delegate more than they have; see field_errors.";
}

// One entry a line, so that a new procedure adds one line.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<grant::Grant>(),
    Entry::of::<narrow::Narrow>(),
    Entry::of::<revoke::Revoke>(),
    Entry::of::<expire::Expire>(),
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

fn ensure_open(cx: &Context, row: &Delegation) -> Result<()> {
    if row.term().open(cx.now().into()) { Ok(()) } else { Err(Error::new(DELEGATION_ENDED)) }
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

/// Reduces a delegation to the rest, and those that rest on it to what it still covers. One that has nothing left is revoked.
async fn reduce(cx: &Context, row: Edit<Delegation>, rest: Rest, reason: Option<&str>) -> Result<Delegation> {
    let mut first = None;
    let mut todo = vec![(row, rest)];
    while let Some((row, rest)) = todo.pop() {
        let children =
            delegation::children(row.organization_id, row.id).order_by_asc(delegation::Column::Id).lock(LockType::NoKeyUpdate);
        for child in children.all(cx.tx().await?).await? {
            let ends_at = match (child.ends_at, rest.ends_at) {
                (Some(theirs), Some(ours)) => Some(theirs.min(ours)),
                (theirs, ours) => theirs.or(ours),
            };
            // A child has nothing left if its parent may not be passed on, or if it would begin only after its new end.
            let rest = match rest.may_delegate && ends_at.is_none_or(|ends| ends > child.starts_at) {
                true => Rest {
                    items: items(cx, &child).await?.into_iter().filter(|item| item.covered_by(&rest.items)).collect(),
                    actions: child.actions.iter().copied().filter(|action| rest.actions.contains(action)).collect(),
                    may_delegate: child.may_delegate,
                    ends_at,
                },
                false => Rest::nothing(),
            };
            todo.push((Edit::following(child), rest));
        }
        let reduced = keep_only(cx, row, rest, reason).await?;
        first.get_or_insert(reduced);
    }
    first.ok_or_else(|| Error::internal("nothing was reduced"))
}

async fn keep_only(cx: &Context, mut row: Edit<Delegation>, rest: Rest, reason: Option<&str>) -> Result<Delegation> {
    if rest.items.is_empty() || rest.actions.is_empty() {
        let state = moved(&row, DelegationState::Revoked)?;
        return cx.end(row, state, reason.map(str::to_owned), "revoked").await;
    }
    let mut fewer = false;
    for there in held(cx, &row).await? {
        if !rest.items.contains(&(&there).into()) {
            let mut there = there.into_active_model();
            there.removed_at = Set(Some(cx.now().into()));
            there.update(cx.tx().await?).await?;
            fewer = true;
        }
    }
    if fewer {
        row.related("items");
    }
    let Rest { items: _, actions, may_delegate, ends_at } = rest;
    let (actions, may_delegate, ends_at) = (Some(actions), Some(may_delegate), Some(ends_at));
    patch!(row: actions, may_delegate, ends_at);
    cx.save(row, "narrowed").await
}

/// Ends every delegation that rests on a member who no longer stands for the owner.
pub async fn end_all_from(cx: &Context, root: PrincipalId) -> Result<()> {
    let tx = cx.tx().await?;
    if delegation::may_give(tx, cx.owner(), root, cx.now()).await? {
        return Ok(());
    }
    let roots = delegation::of(cx.owner())
        .filter(delegation::Column::RootId.eq(root))
        .filter(delegation::Column::ParentId.is_null())
        .filter(delegation::Column::State.eq(DelegationState::Active))
        .order_by_asc(delegation::Column::Id)
        .lock(LockType::NoKeyUpdate);
    for row in roots.all(tx).await? {
        reduce(cx, Edit::following(row), Rest::nothing(), Some("Who gave it stands for the owner no more")).await?;
    }
    Ok(())
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
