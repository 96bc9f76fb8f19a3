use super::{CHANGE, Rest, keep_only};
use crate::prelude::*;
use entities::{
    delegation::{self, Delegation, DelegationId, DelegationState},
    delegation_item::{self, Item},
    delegation_line::{self, Line},
};
use kind::Edit;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::LockType};
use std::collections::HashMap;

/// The most rows that one turn brings in line.
const SOME: u64 = 100;

// It takes nothing away that still counted, so that it changes no rights.
timed!(
    Settle "delegation/v1/settle" DelegationSettleInput of Delegation, such as DelegationId::EXAMPLE;
    "Notes in some of the delegations that rest on one how far they still count.";
    CHANGE, changes_rights: false, errors: [];
    settle
);

async fn settle(cx: &Context, allowed: Allowed<Seen<Delegation>>) -> Result<Delegation> {
    let (tx, parent) = (cx.tx().await?, &allowed.subject().row);
    let line = delegation_line::of(tx, cx.owner(), &[parent.id]).await?.remove(&parent.id);
    let Some(line) = line.filter(|line| line.settling) else { return Ok(parent.clone()) };
    let mut children = delegation::children(cx.owner(), parent.id);
    if let Some(settled) = line.settled_to {
        children = children.filter(delegation::Column::Id.gt(settled));
    }
    let children = children.order_by_asc(delegation::Column::Id).limit(SOME).lock(LockType::NoKeyUpdate).all(tx).await?;
    let ids: Vec<DelegationId> = children.iter().map(|child| child.id).collect();
    let lines = delegation_line::of(tx, cx.owner(), &ids).await?;
    let mut items: HashMap<DelegationId, Vec<Item>> = HashMap::new();
    let all: Vec<DelegationId> = ids.iter().copied().chain([parent.id]).collect();
    for item in delegation_item::of(cx.owner(), &all).all(tx).await? {
        items.entry(item.delegation_id).or_default().push((&item).into());
    }
    let theirs = items.remove(&parent.id).unwrap_or_default();
    let up_to = ids.last().copied().filter(|_| ids.len() as u64 == SOME);
    let reason = match parent.state {
        DelegationState::Active => Some("What it rested on was narrowed"),
        _ => parent.end_reason.as_deref(),
    };
    for child in children {
        let items = items.remove(&child.id).unwrap_or_default();
        let rest = still(parent, &line, &theirs, &child, lines.get(&child.id), items);
        keep_only(cx, Edit::following(child), rest, reason).await?;
    }
    delegation_line::settled(tx, parent.id, up_to, cx.now()).await?;
    Ok(parent.clone())
}

/// The part of a delegation that its parent still covers.
fn still(parent: &Delegation, line: &Line, theirs: &[Item], child: &Delegation, place: Option<&Line>, items: Vec<Item>) -> Rest {
    let ends_at = match (child.ends_at, parent.ends_at) {
        (Some(mine), Some(theirs)) => Some(mine.min(theirs)),
        (mine, theirs) => mine.or(theirs),
    };
    let stands = parent.state == DelegationState::Active
        && place.is_some_and(|place| place.parent_turn == Some(line.turn))
        // It would begin only after its new end.
        && ends_at.is_none_or(|ends| ends > child.starts_at);
    if !stands {
        return Rest::nothing();
    }
    Rest {
        items: items.into_iter().filter(|item| item.covered_by(theirs)).collect(),
        actions: child.actions.iter().copied().filter(|action| parent.actions.contains(action)).collect(),
        may_delegate: child.may_delegate,
        ends_at,
    }
}

/// Notes the end of some of the delegations that a member gave before they stood for the owner no more.
pub async fn end_some_from(cx: &Context, member: PrincipalId) -> Result<()> {
    let tx = cx.tx().await?;
    let Some(turn) = delegation_line::turn_of(tx, cx.owner(), member).await? else { return Ok(()) };
    let gone = delegation::rootless(cx.owner(), member)
        .order_by_asc(delegation::Column::Id)
        .limit(SOME)
        .lock(LockType::NoKeyUpdate)
        .all(tx)
        .await?;
    let done = (gone.len() as u64) < SOME;
    for root in gone {
        keep_only(cx, Edit::following(root), Rest::nothing(), Some("Who gave it stands for the owner no more")).await?;
    }
    delegation_line::settled_from(tx, member, turn, cx.now(), done).await
}
