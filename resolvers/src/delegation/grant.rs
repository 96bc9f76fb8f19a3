use super::{CHANGE, event, exceeds, held, open};
use async_graphql::InputObject;
use entities::{
    delegation::{self, DelegatedAction, Delegation, DelegationId, DelegationState, item},
    loading::{self, Seen},
    portfolio::{self, PortfolioId, member},
    property::{self, PropertyId},
};
use garde::Validate;
use schema::{
    Allowed, Change, Code, Context, Error, Judged, Kind, PrincipalId, Procedure, Resource, Result, Subject, Time, relation,
    valid, violates,
};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use uuid::Uuid;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DelegationGrantInput {
    /// Who may. They need no membership.
    #[garde(skip)]
    pub holder_id: PrincipalId,
    #[garde(custom(valid::count(0, 100)))]
    pub property_ids: Option<Vec<PropertyId>>,
    /// With all that is in them, at any time.
    #[garde(custom(valid::count(0, 100)))]
    pub portfolio_ids: Option<Vec<PortfolioId>>,
    /// What they may do. To see goes with each.
    #[garde(custom(valid::count(1, 100)))]
    pub actions: Vec<DelegatedAction>,
    /// Whether they may pass it on, in whole or in part; no, if absent.
    #[garde(skip)]
    pub may_delegate: Option<bool>,
    /// From when it counts; from now on if absent.
    #[garde(skip)]
    pub starts_at: Option<Time>,
    /// When it ends by itself.
    #[garde(skip)]
    pub ends_at: Option<Time>,
    /// Why it is given: kept for good.
    #[garde(custom(valid::text(1_000)))]
    pub reason: Option<String>,
    /// The delegation that is passed on, if it is one.
    #[garde(skip)]
    pub parent_id: Option<DelegationId>,
}

/// A delegation that is to be, and the one that it is to rest on.
pub struct ToBe {
    parent: Option<Seen<delegation::Model>>,
    attributes: serde_json::Value,
}

impl Subject for ToBe {
    fn judged(&self) -> Judged {
        Judged::One(Resource {
            kind: delegation::KIND,
            id: Uuid::nil(),
            attributes: self.attributes.clone(),
            version: self.parent.as_ref().map(|parent| parent.row.version),
        })
    }

    fn beheld(&self) -> Option<Resource> {
        self.parent.as_ref().and_then(Subject::beheld)
    }
}

pub struct Grant;

impl Procedure for Grant {
    const NAME: &'static str = "delegation/v1/grant";
    const ABOUT: &'static str = "Lets someone do named things with named properties or portfolios, for a time.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const CHANGES_RIGHTS: bool = true;
    const ERRORS: &'static [Code] = &[Code::DelegationExceeds, Code::DelegationEnded];
    type Input = DelegationGrantInput;
    type Output = Delegation;
    type Subject = ToBe;

    fn example() -> DelegationGrantInput {
        DelegationGrantInput {
            holder_id: entities::principal::SYSTEM,
            property_ids: Some(vec![PropertyId(uuid::uuid!("01920000-0000-7000-8000-0000000000a1"))]),
            portfolio_ids: None,
            actions: vec![DelegatedAction::Update, DelegatedAction::RecordFinances],
            may_delegate: None,
            starts_at: None,
            ends_at: None,
            reason: Some("Lets the flat until March".into()),
            parent_id: None,
        }
    }

    async fn subject(cx: &Context, input: &DelegationGrantInput) -> Result<ToBe> {
        let parent = match input.parent_id {
            Some(id) => Some(loading::one(cx, delegation::by_id(cx.owner(), id)).await?),
            None => None,
        };
        let mut attributes = json!({
            "relation": relation(cx.owner(), cx.organization()),
            "holder": input.holder_id,
            "grantor": cx.actor.principal,
        });
        if let Some(parent) = &parent {
            attributes["parent"] = json!({ "holder": parent.row.holder_id, "mayDelegate": parent.row.may_delegate });
        }
        Ok(ToBe { parent, attributes })
    }

    async fn handle(cx: &Context, allowed: Allowed<ToBe>, input: DelegationGrantInput) -> Result<Delegation> {
        let DelegationGrantInput {
            holder_id,
            property_ids,
            portfolio_ids,
            actions,
            may_delegate,
            starts_at,
            ends_at,
            reason,
            parent_id: _,
        } = input;
        let refuse = |field: &str, code: &str, message: &str| Err(Error::new(Code::InvalidInput).field(field, code, message));
        let parent = allowed.into_subject().parent.map(|parent| parent.row);
        let (property_ids, portfolio_ids) = (property_ids.unwrap_or_default(), portfolio_ids.unwrap_or_default());
        if property_ids.is_empty() && portfolio_ids.is_empty() {
            return refuse("propertyIds", "REQUIRED", "name a property or a portfolio");
        }
        if holder_id == cx.actor.principal {
            return refuse("holderId", "SELF", "one does not delegate to oneself");
        }
        let mut actions: BTreeSet<DelegatedAction> = actions.into_iter().collect();
        actions.insert(DelegatedAction::Read);
        let starts_at = starts_at.map_or(cx.now(), |time| time.0);
        let mut ends_at = ends_at.map(|time| time.0);
        if ends_at.is_some_and(|ends| ends <= starts_at.max(cx.now())) {
            return refuse("endsAt", "TOO_EARLY", "must be later than now and than startsAt");
        }
        let items = match &parent {
            None => {
                known(cx, &property_ids, &portfolio_ids).await?;
                let properties = property_ids.into_iter().map(|id| item::Item { property_id: Some(id), portfolio_id: None });
                let portfolios = portfolio_ids.into_iter().map(|id| item::Item { property_id: None, portfolio_id: Some(id) });
                properties.chain(portfolios).collect()
            }
            Some(parent) => {
                open(parent, cx)?;
                if !delegation::may_give(cx.tx().await?, cx.owner(), parent.root_id, cx.now()).await? {
                    return Err(Error::new(Code::DelegationEnded));
                }
                if !cx.actor.governs() {
                    cx.by_leave(parent.id.0);
                }
                if !actions.iter().all(|action| parent.actions.contains(action)) {
                    return Err(exceeds("actions", "you may not do all of this yourself"));
                }
                let theirs = parent.ends_at.map(|ends| ends.0);
                if starts_at < parent.starts_at.0 {
                    return Err(exceeds("startsAt", "yours begins later"));
                }
                if let Some(theirs) = theirs
                    && ends_at.is_some_and(|ends| ends > theirs)
                {
                    return Err(exceeds("endsAt", "yours ends earlier"));
                }
                ends_at = ends_at.or(theirs);
                if ends_at.is_some_and(|ends| ends <= starts_at) {
                    return Err(exceeds("startsAt", "yours ends earlier"));
                }
                covered(cx, parent, &property_ids, &portfolio_ids).await?
            }
        };
        let tx = cx.tx().await?;
        let row = delegation::ActiveModel {
            organization_id: Set(cx.owner()),
            id: Set(cx.new_id()),
            holder_id: Set(holder_id),
            grantor_id: Set(cx.actor.principal),
            parent_id: Set(parent.as_ref().map(|parent| parent.id)),
            root_id: Set(parent.as_ref().map_or(cx.actor.principal, |parent| parent.root_id)),
            actions: Set(actions.into_iter().collect()),
            may_delegate: Set(may_delegate.unwrap_or_default()),
            starts_at: Set(starts_at.into()),
            ends_at: Set(ends_at.map(Time)),
            state: Set(DelegationState::Active),
            reason: Set(reason),
            ended_at: Set(None),
            ended_by: Set(None),
            end_reason: Set(None),
            version: Set(1),
            created_at: Set(cx.now().into()),
            updated_at: Set(cx.now().into()),
        };
        let row = match row.insert(tx).await {
            Err(error) if violates(&error, "delegation_holder") => {
                return refuse("holderId", "NOT_FOUND", "there is no such principal");
            }
            inserted => inserted?,
        };
        let mut seen = Vec::new();
        for item::Item { property_id, portfolio_id } in items {
            if seen.contains(&(property_id, portfolio_id)) {
                continue;
            }
            seen.push((property_id, portfolio_id));
            let covers = item::ActiveModel {
                organization_id: Set(row.organization_id),
                id: Set(cx.new_id()),
                delegation_id: Set(row.id),
                property_id: Set(property_id),
                portfolio_id: Set(portfolio_id),
                removed_at: Set(None),
            };
            covers.insert(tx).await?;
        }
        let change = Change::default().id("holderId", Some(holder_id.0)).id("parentId", row.parent_id.map(|id| id.0));
        cx.changed(event("delegation.granted", &row, change));
        Ok(row)
    }
}

/// Refuses what is none of this organization's.
async fn known(cx: &Context, properties: &[PropertyId], portfolios: &[PortfolioId]) -> Result<()> {
    let tx = cx.tx().await?;
    let missing = |field: String| Error::new(Code::InvalidInput).field(field, "NOT_FOUND", "there is no such thing");
    let ids: Vec<Uuid> = properties.iter().map(|id| id.0).collect();
    let rows = property::of(cx.owner()).filter(property::Column::Id.eq_any(ids)).all(tx).await?;
    if let Some(at) = properties.iter().position(|id| !rows.iter().any(|row| row.id == *id)) {
        return Err(missing(format!("propertyIds.{at}")));
    }
    let ids: Vec<Uuid> = portfolios.iter().map(|id| id.0).collect();
    let rows = portfolio::of(cx.owner()).filter(portfolio::Column::Id.eq_any(ids)).all(tx).await?;
    match portfolios.iter().position(|id| !rows.iter().any(|row| row.id == *id)) {
        Some(at) => Err(missing(format!("portfolioIds.{at}"))),
        None => Ok(()),
    }
}

/// The same, as it is held by the parent. What is held by way of a portfolio stays so.
async fn covered(
    cx: &Context,
    parent: &delegation::Model,
    properties: &[PropertyId],
    portfolios: &[PortfolioId],
) -> Result<Vec<item::Item>> {
    let theirs: Vec<item::Item> = held(cx, parent).await?.iter().map(Into::into).collect();
    let mut items = Vec::new();
    for (at, id) in properties.iter().enumerate() {
        let itself = item::Item { property_id: Some(*id), portfolio_id: None };
        if theirs.contains(&itself) {
            items.push(itself);
            continue;
        }
        let ids: Vec<Uuid> = theirs
            .iter()
            .filter(|their| their.property_id.is_none_or(|property| property == *id))
            .filter_map(|their| their.portfolio_id.map(|id| id.0))
            .collect();
        let within = member::of(cx.owner())
            .filter(member::Column::PropertyId.eq(*id))
            .filter(member::Column::PortfolioId.eq_any(ids))
            .filter(member::Column::RemovedAt.is_null());
        match within.one(cx.tx().await?).await? {
            Some(there) => items.push(item::Item { property_id: Some(*id), portfolio_id: Some(there.portfolio_id) }),
            None => return Err(exceeds(format!("propertyIds.{at}"), "it is none of yours")),
        }
    }
    for (at, id) in portfolios.iter().enumerate() {
        let whole = item::Item { property_id: None, portfolio_id: Some(*id) };
        if !theirs.contains(&whole) {
            return Err(exceeds(format!("portfolioIds.{at}"), "it is none of yours"));
        }
        items.push(whole);
    }
    Ok(items)
}
