use super::{CHANGE, Rest, by_leave, exceeds, held, open, reduce};
use async_graphql::InputObject;
use entities::{
    delegation::{self, DelegatedAction, Delegation, DelegationId, item},
    loading::{self, Seen, expect_version},
    portfolio::PortfolioId,
    property::PropertyId,
};
use garde::Validate;
use schema::{Allowed, Code, Context, Error, Kind, Procedure, Result, Time, valid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What stays of it; what is absent stays as it is. A delegation never grows: for more, give another.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DelegationNarrowInput {
    #[garde(skip)]
    pub id: DelegationId,
    /// The version that was read.
    #[garde(custom(valid::version))]
    pub version: i32,
    /// The properties that stay.
    #[garde(custom(valid::count(0, 100)))]
    #[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]
    pub property_ids: Option<Vec<PropertyId>>,
    /// The portfolios that stay.
    #[garde(custom(valid::count(0, 100)))]
    #[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]
    pub portfolio_ids: Option<Vec<PortfolioId>>,
    /// The actions that stay. To see stays with each.
    #[garde(custom(valid::count(1, 100)))]
    #[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<DelegatedAction>>,
    /// False: it may no longer be passed on, and what was passed on ends.
    #[garde(skip)]
    #[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]
    pub may_delegate: Option<bool>,
    /// An earlier end.
    #[garde(skip)]
    #[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Time>,
}

pub struct Narrow;

impl Procedure for Narrow {
    const NAME: &'static str = "delegation/v1/narrow";
    const ABOUT: &'static str = "Leaves less of a delegation, and of all that rests on it, at once.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const CHANGES_RIGHTS: bool = true;
    const ERRORS: &'static [Code] = &[Code::VersionConflict, Code::DelegationEnded, Code::DelegationExceeds];
    type Input = DelegationNarrowInput;
    type Output = Delegation;
    type Subject = Seen<delegation::Model>;

    fn example() -> DelegationNarrowInput {
        DelegationNarrowInput {
            id: DelegationId(uuid::uuid!("01920000-0000-7000-8000-000000000051")),
            version: 1,
            property_ids: None,
            portfolio_ids: None,
            actions: Some(vec![DelegatedAction::Read]),
            may_delegate: None,
            ends_at: None,
        }
    }

    async fn subject(cx: &Context, input: &DelegationNarrowInput) -> Result<Self::Subject> {
        loading::one(cx, delegation::by_id(cx.owner(), input.id)).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: DelegationNarrowInput) -> Result<Delegation> {
        let DelegationNarrowInput { id: _, version, property_ids, portfolio_ids, actions, may_delegate, ends_at } = input;
        let row = allowed.into_subject().row;
        expect_version(row.version, version)?;
        open(&row, cx)?;
        by_leave(cx, &row);
        let had: Vec<item::Item> = held(cx, &row).await?.iter().map(Into::into).collect();
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
        let stays = |item: &item::Item| match (item.property_id, item.portfolio_id) {
            (Some(id), _) => property_ids.as_ref().is_none_or(|ids| ids.contains(&id)),
            (None, Some(id)) => portfolio_ids.as_ref().is_none_or(|ids| ids.contains(&id)),
            (None, None) => false,
        };
        let items: Vec<item::Item> = had.iter().filter(|item| stays(item)).copied().collect();
        if items.is_empty() {
            let message = "something must stay; to take all of it back, revoke it";
            return Err(Error::new(Code::InvalidInput).field("propertyIds", "REQUIRED", message));
        }
        let actions = match actions {
            Some(actions) if !actions.iter().all(|action| row.actions.contains(action)) => {
                return Err(exceeds("actions", "it does not go that far"));
            }
            Some(actions) => row.actions.iter().copied().filter(|a| *a == DelegatedAction::Read || actions.contains(a)).collect(),
            None => row.actions.clone(),
        };
        if may_delegate == Some(true) && !row.may_delegate {
            return Err(exceeds("mayDelegate", "it does not go that far"));
        }
        let earliest = cx.now().max(row.starts_at.0);
        if ends_at.is_some_and(|ends| ends.0 <= earliest || row.ends_at.is_some_and(|had| ends > had)) {
            let message = "must be later than now, and not later than it ends";
            return Err(Error::new(Code::InvalidInput).field("endsAt", "NOT_NARROWER", message));
        }
        let may_delegate = may_delegate.unwrap_or(row.may_delegate);
        let ends_at = ends_at.or(row.ends_at);
        reduce(cx, row, Rest { items, actions, may_delegate, ends_at }, Some("What it rested on was narrowed")).await
    }
}
