use super::{
    CHANGE, DELEGATION_ENDED, DELEGATION_EXCEEDS, Rest, ensure_open, exceeds, items, note_permitting, reduce, to_come::BELOW,
};
use crate::prelude::*;
use entities::{
    delegation::{DelegatedAction, Delegation, DelegationId},
    delegation_item::Item,
    portfolio::PortfolioId,
    property::PropertyId,
};

/// What stays of it; what is absent stays as it is. A delegation never grows: for more, give another.
#[input]
pub struct DelegationNarrowInput {
    pub id: DelegationId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// The properties that stay.
    #[patch(count(0, 100))]
    pub property_ids: Option<Vec<PropertyId>>,
    /// The portfolios that stay.
    #[patch(count(0, 100))]
    pub portfolio_ids: Option<Vec<PortfolioId>>,
    /// The actions that stay. To see stays with each.
    #[patch(count(1, 100))]
    pub actions: Option<Vec<DelegatedAction>>,
    /// False: it may no longer be passed on, and what was passed on ends.
    #[patch]
    pub may_delegate: Option<bool>,
    /// An earlier end.
    #[patch]
    pub ends_at: Option<Time>,
}

pub struct Narrow;

impl Procedure for Narrow {
    const NAME: &'static str = "delegation/v1/narrow";
    const ABOUT: &'static str = "Leaves less of a delegation, and of all that rests on it, at once.";
    const RUNS: Runs = CHANGE;
    const CHANGES_RIGHTS: bool = true;
    const HINTS: Option<&'static schema::Hints> = Some(&BELOW);
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, DELEGATION_ENDED, DELEGATION_EXCEEDS];
    type Input = DelegationNarrowInput;
    type Output = Delegation;
    type Subject = Seen<Delegation>;

    fn example() -> DelegationNarrowInput {
        let actions = Some(vec![DelegatedAction::Read]);
        DelegationNarrowInput { actions, ..DelegationNarrowInput::of(DelegationId::EXAMPLE, 1) }
    }

    async fn subject(cx: &Context, input: &DelegationNarrowInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: DelegationNarrowInput) -> Result<Delegation> {
        let DelegationNarrowInput { id: _, version, property_ids, portfolio_ids, actions, may_delegate, ends_at } = input;
        let row = cx.edit(allowed, version)?;
        ensure_open(cx, &row).await?;
        note_permitting(cx, &row);
        let had = items(cx, &row).await?;
        for (at, id) in property_ids.iter().flatten().enumerate() {
            if !had.iter().any(|item| item.property_id == Some(*id)) {
                return Err(exceeds(format!("propertyIds.{at}"), "it does not cover this"));
            }
        }
        for (at, id) in portfolio_ids.iter().flatten().enumerate() {
            if !had.iter().any(|item| item.property_id.is_none() && item.portfolio_id == Some(*id)) {
                return Err(exceeds(format!("portfolioIds.{at}"), "it does not cover this"));
            }
        }
        let stays = |item: &Item| match (item.property_id, item.portfolio_id) {
            (Some(id), _) => property_ids.as_ref().is_none_or(|ids| ids.contains(&id)),
            (None, Some(id)) => portfolio_ids.as_ref().is_none_or(|ids| ids.contains(&id)),
            (None, None) => false,
        };
        let items: Vec<Item> = had.into_iter().filter(stays).collect();
        if items.is_empty() {
            return Err(Error::invalid("propertyIds", "REQUIRED", "something must stay; to take all of it back, revoke it"));
        }
        let actions = match actions {
            Some(actions) if !actions.iter().all(|action| row.actions.contains(action)) => {
                return Err(exceeds("actions", "it does not go that far"));
            }
            Some(actions) => {
                let kept = |one: &DelegatedAction| {
                    actions.contains(one)
                        || actions.iter().any(|kept| kept.needs().contains(one))
                        || *one == DelegatedAction::Read
                };
                row.actions.iter().copied().filter(kept).collect()
            }
            None => row.actions.clone(),
        };
        if may_delegate == Some(true) && !row.may_delegate {
            return Err(exceeds("mayDelegate", "it does not go that far"));
        }
        if ends_at.is_some_and(|ends| !row.term().can_end(ends, cx.now().into()) || row.ends_at.is_some_and(|had| ends > had)) {
            return Err(Error::invalid("endsAt", "NOT_NARROWER", "must be later than now, and not later than it ends"));
        }
        let may_delegate = may_delegate.unwrap_or(row.may_delegate);
        let ends_at = ends_at.or(row.ends_at);
        reduce(cx, row, Rest { items, actions, may_delegate, ends_at }, Some("What it rested on was narrowed")).await
    }
}
