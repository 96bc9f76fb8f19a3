pub mod expire;
pub mod grant;
pub mod narrow;
pub mod revoke;

use entities::{
    delegation::{self, DelegatedAction, Delegation, DelegationState, item},
    loading::event,
};
use schema::{Change, Code, Context, Entry, Error, PrincipalId, Result, Time, Workflow};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, sea_query::LockType,
};

// One a line, so that a new procedure is one line more.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<grant::Grant>(),
    Entry::of::<narrow::Narrow>(),
    Entry::of::<revoke::Revoke>(),
    Entry::of::<expire::Expire>(),
    Entry::of::<Get>(),
    Entry::of::<List>(),
];

const CHANGE: Workflow = Workflow::new("delegation_change", 1);

crate::reads::reads!(
    delegation: Delegation, DelegationId, DelegationFilter, DelegationOrder;
    "One delegation by the acting organization."
        "delegation/v1/get" DelegationGetInput ("01920000-0000-7000-8000-000000000051"), delegation
        "One delegation by the acting organization.";
    "The acting organization's delegations, a page at a time. You see all of them if your role stands for its owner, else your own."
        "delegation/v1/list" DelegationListInput (CreatedDesc), delegations
        "The acting organization's delegations. You see all of them if your role stands for its owner, else your own.";
    DelegationQuery
);

fn open(row: &delegation::Model, cx: &Context) -> Result<()> {
    if row.active(cx.now()) { Ok(()) } else { Err(Error::new(Code::DelegationEnded)) }
}

fn exceeds(field: impl Into<String>, message: &str) -> Error {
    Error::new(Code::DelegationExceeds).field(field, "EXCEEDS", message)
}

/// What is left of a delegation.
struct Rest {
    items: Vec<item::Item>,
    actions: Vec<DelegatedAction>,
    may_delegate: bool,
    ends_at: Option<Time>,
}

impl Rest {
    fn nothing() -> Rest {
        Rest { items: Vec::new(), actions: Vec::new(), may_delegate: false, ends_at: None }
    }
}

/// Leaves no more than this of a delegation, and no more than that of what rests on it. What has
/// nothing left is revoked.
async fn reduce(cx: &Context, row: delegation::Model, rest: Rest, reason: Option<&str>) -> Result<Delegation> {
    let tx = cx.tx().await?;
    let mut first = None;
    let mut todo = vec![(row, rest)];
    while let Some((row, rest)) = todo.pop() {
        let children =
            delegation::children(row.organization_id, row.id).order_by_asc(delegation::Column::Id).lock(LockType::NoKeyUpdate);
        for child in children.all(tx).await? {
            let theirs: Vec<item::Item> = held(cx, &child).await?.iter().map(Into::into).collect();
            let ends_at = match (child.ends_at, rest.ends_at) {
                (Some(theirs), Some(ours)) => Some(theirs.min(ours)),
                (theirs, ours) => theirs.or(ours),
            };
            // What would begin only after that has nothing left.
            let rest = match rest.may_delegate && ends_at.is_none_or(|ends| ends > child.starts_at) {
                true => Rest {
                    items: theirs.into_iter().filter(|item| item.covered_by(&rest.items)).collect(),
                    actions: child.actions.iter().copied().filter(|action| rest.actions.contains(action)).collect(),
                    may_delegate: child.may_delegate,
                    ends_at,
                },
                false => Rest::nothing(),
            };
            todo.push((child, rest));
        }
        let reduced = leave(cx, row, rest, reason).await?;
        first.get_or_insert(reduced);
    }
    first.ok_or_else(|| Error::internal("nothing was reduced"))
}

async fn leave(cx: &Context, row: delegation::Model, rest: Rest, reason: Option<&str>) -> Result<Delegation> {
    let tx = cx.tx().await?;
    let version = row.version + 1;
    let revoked = rest.items.is_empty() || rest.actions.is_empty();
    if !revoked {
        for there in held(cx, &row).await? {
            if !rest.items.contains(&(&there).into()) {
                let mut there = there.into_active_model();
                there.removed_at = Set(Some(cx.now()));
                there.update(tx).await?;
            }
        }
    }
    let mut row = row.into_active_model();
    if revoked {
        row.state = Set(DelegationState::Revoked);
        row.ended_at = Set(Some(cx.now().into()));
        row.ended_by = Set(Some(cx.actor.principal));
        row.end_reason = Set(reason.map(str::to_owned));
    } else {
        row.actions = Set(rest.actions);
        row.may_delegate = Set(rest.may_delegate);
        row.ends_at = Set(rest.ends_at);
    }
    row.version = Set(version);
    row.updated_at = Set(cx.now().into());
    let row = row.update(tx).await?;
    let (kind, change) = match revoked {
        true => ("delegation.revoked", Change::fields(&["state"])),
        false => ("delegation.narrowed", Change::fields(&["items", "actions", "mayDelegate", "endsAt"])),
    };
    cx.changed(event(kind, &row, change.id("holderId", Some(row.holder_id.0))));
    Ok(row)
}

/// Ends all that rests on someone who stands for the owner no more.
pub async fn end_what_rests_on(cx: &Context, root: PrincipalId) -> Result<()> {
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
        reduce(cx, row, Rest::nothing(), Some("Who gave it stands for the owner no more")).await?;
    }
    Ok(())
}

/// By whose leave someone changes a delegation who does not stand for the owner: by that which they hold,
/// or by the one that they passed on.
fn by_leave(cx: &Context, row: &delegation::Model) {
    if !cx.actor.governs() {
        let leave = if row.holder_id == cx.actor.principal { Some(row.id) } else { row.parent_id };
        if let Some(leave) = leave {
            cx.by_leave(leave.0);
        }
    }
}

async fn held(cx: &Context, row: &delegation::Model) -> Result<Vec<item::Model>> {
    Ok(item::of(row.organization_id, &[row.id]).all(cx.tx().await?).await?)
}
