use super::{CHANGE, DELEGATION_ENDED, DELEGATION_EXCEEDS, ensure_open, exceeds, items};
use crate::{answer_by, prelude::*};
use entities::{
    delegation::{self, DelegatedAction, Delegation, DelegationId, DelegationState, Fresh},
    delegation_item::{self, Item},
    delegation_line, membership,
    portfolio::{self, PortfolioId},
    portfolio_property as member, principal,
    property::{self, PropertyId},
};
use schema::{
    Judged, Resource, Subject,
    quota::{BELOW, DEPTH, GIVEN, HELD},
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, QueryFilter};
use std::collections::{BTreeSet, HashSet};
use uuid::Uuid;

/// Name the person by exactly one of `holderEmail` and `holderId`, and at least one property or portfolio.
#[input(one_of(holder_email, holder_id), some_of(property_ids, portfolio_ids))]
pub struct DelegationGrantInput {
    /// The verified address of exactly one person who has signed in before. They need no membership.
    #[email]
    pub holder_email: Option<String>,
    /// The id of the person. They need no membership.
    pub holder_id: Option<PrincipalId>,
    #[count(0, 100)]
    pub property_ids: Option<Vec<PropertyId>>,
    /// With all that is in them, at any time.
    #[count(0, 100)]
    pub portfolio_ids: Option<Vec<PortfolioId>>,
    /// What they may do. To see goes with each, and to read cases with answering.
    #[count(1, 100)]
    pub actions: Vec<DelegatedAction>,
    /// Whether they may pass it on, in whole or in part; no, if absent.
    pub may_delegate: Option<bool>,
    /// From when it counts; from now on if absent.
    pub starts_at: Option<Time>,
    /// When it ends by itself.
    pub ends_at: Option<Time>,
    /// Why it is given: kept for good.
    #[text(1_000)]
    pub reason: Option<String>,
    /// The delegation that is passed on, if it is one.
    pub parent_id: Option<DelegationId>,
}

/// A delegation before it is written, and the one that it is to rest on.
pub struct Granted {
    parent: Option<Seen<Delegation>>,
    new: New<Fresh>,
}

impl Subject for Granted {
    fn judged(&self) -> Judged {
        match (self.new.judged(), &self.parent) {
            (Judged::One(new), Some(Seen { row: parent, .. })) => {
                let mut attributes = new.attributes;
                attributes["parent"] = serde_json::json!({ "holder": parent.holder_id, "mayDelegate": parent.may_delegate });
                Judged::One(Resource { attributes, version: Some(parent.version), ..new })
            }
            (judged, _) => judged,
        }
    }

    fn beheld(&self) -> Option<Resource> {
        self.parent.as_ref().and_then(Subject::beheld)
    }
}

impl From<Granted> for New<Fresh> {
    fn from(granted: Granted) -> Self {
        granted.new
    }
}

pub struct Grant;

impl Procedure for Grant {
    const NAME: &'static str = "delegation/v1/grant";
    const ABOUT: &'static str = "Lets someone do named things with named properties or portfolios, for a time. Whoever is no member of the organization is offered it: it counts once they accept.";
    const RUNS: Runs = CHANGE;
    const CHANGES_RIGHTS: bool = true;
    const ERRORS: &'static [Code] = &[DELEGATION_EXCEEDS, DELEGATION_ENDED];
    type Input = DelegationGrantInput;
    type Output = Delegation;
    type Subject = Granted;

    fn example() -> DelegationGrantInput {
        DelegationGrantInput {
            holder_email: Some("tom@example.com".into()),
            holder_id: None,
            property_ids: Some(vec![PropertyId::EXAMPLE]),
            portfolio_ids: None,
            actions: vec![DelegatedAction::Update, DelegatedAction::RecordFinances],
            may_delegate: None,
            starts_at: None,
            ends_at: None,
            reason: Some("Lets the flat until March".into()),
            parent_id: None,
        }
    }

    async fn subject(cx: &Context, input: &DelegationGrantInput) -> Result<Granted> {
        let seen: Option<Seen<Delegation>> = match input.parent_id {
            Some(id) => Some(Seen::find(cx, id).await?),
            None => None,
        };
        let parent = seen.as_ref().map(|seen| &seen.row);
        let holder = match &input.holder_email {
            Some(email) => principal::by_email(cx.tx().await?, email).await?,
            None => input.holder_id,
        };
        // The gateway acts for itself alone.
        let holder = holder.filter(|holder| *holder != principal::SYSTEM).unwrap_or(PrincipalId::NOBODY);
        let member = membership::is_member(cx.tx().await?, cx.owner(), holder, cx.now()).await?;
        let needed = input.actions.iter().flat_map(|action| action.needs());
        let actions: BTreeSet<_> = input.actions.iter().chain(needed).copied().collect();
        let fresh = Fresh {
            // Nobody is told of once all else is known to be right.
            holder_id: holder,
            grantor_id: cx.actor.principal,
            parent_id: input.parent_id,
            root_id: parent.map_or(cx.actor.principal, |parent| parent.root_id),
            actions: actions.into_iter().collect(),
            may_delegate: input.may_delegate.unwrap_or_default(),
            starts_at: input.starts_at.unwrap_or(cx.now().into()),
            ends_at: input.ends_at.or(parent.and_then(|parent| parent.ends_at)),
            state: if member { DelegationState::Active } else { DelegationState::Offered },
            reason: input.reason.clone(),
            answer_by: (!member).then(|| answer_by(cx)),
            accepted_at: member.then(|| cx.now().into()),
            ended_at: None,
            ended_by: None,
            end_reason: None,
        };
        let new = New::of(cx, fresh).refers("parentId", input.parent_id.map(|id| id.0));
        Ok(Granted { parent: seen, new })
    }

    async fn handle(cx: &Context, allowed: Allowed<Granted>, input: DelegationGrantInput) -> Result<Delegation> {
        let DelegationGrantInput { property_ids, portfolio_ids, ends_at, holder_email, .. } = input;
        let (property_ids, portfolio_ids) = (property_ids.unwrap_or_default(), portfolio_ids.unwrap_or_default());
        let Granted { parent, new } = allowed.subject();
        let field = if holder_email.is_some() { "holderEmail" } else { "holderId" };
        if new.fresh().holder_id == cx.actor.principal {
            return Err(Error::invalid(field, "YOURSELF", "one does not delegate to oneself"));
        }
        Term::of(new.fresh().starts_at, ends_at).ensure_ahead(cx.now().into())?;
        ensure_room(cx, parent.as_ref().map(|parent| parent.row.id), new.fresh().holder_id).await?;
        let items = match parent {
            None => {
                ensure_known(cx, &property_ids, &portfolio_ids).await?;
                let properties = property_ids.into_iter().map(|id| Item {
                    organization_id: cx.owner(),
                    property_id: Some(id),
                    portfolio_id: None,
                });
                let portfolios = portfolio_ids.into_iter().map(|id| Item {
                    organization_id: cx.owner(),
                    property_id: None,
                    portfolio_id: Some(id),
                });
                properties.chain(portfolios).collect()
            }
            Some(Seen { row: parent, .. }) => {
                ensure_within(cx, parent, new.fresh()).await?;
                covered(cx, parent, &property_ids, &portfolio_ids).await?
            }
        };
        // Told last: whoever asks after an address has named things that they may delegate.
        let unknown = || match field {
            "holderEmail" => Error::invalid(
                field,
                "NOT_FOUND",
                "no one person has signed in with this address; ask them to, or name them by id",
            ),
            _ => Error::invalid(field, "NOT_FOUND", "there is no such principal"),
        };
        let row = cx.create_as(allowed, "granted").await.taken("delegation_holder", unknown)?;
        let mut known = HashSet::new();
        for item in items.into_iter().filter(|item| known.insert(*item)) {
            let covers = delegation_item::ActiveModel {
                organization_id: Set(row.organization_id),
                id: Set(cx.new_id()),
                delegation_id: Set(row.id),
                property_id: Set(item.property_id),
                portfolio_id: Set(item.portfolio_id),
                removed_at: Set(None),
            };
            covers.insert(cx.tx().await?).await?;
        }
        Ok(row)
    }
}

/// Refuses a delegation that counts longer, or goes further, than the one that it rests on.
async fn ensure_within(cx: &Context, parent: &Delegation, fresh: &Fresh) -> Result<()> {
    ensure_open(cx, parent).await?;
    if parent.state != DelegationState::Active {
        return Err(Error::new(DELEGATION_ENDED));
    }
    if !delegation::may_give(cx.tx().await?, cx.owner(), parent.root_id, cx.now()).await? {
        return Err(Error::new(DELEGATION_ENDED));
    }
    if !cx.actor.stands_for_owner() {
        cx.on_behalf_of(parent.id.0);
    }
    if !fresh.actions.iter().all(|action| parent.actions.contains(action)) {
        return Err(exceeds("actions", "you may not do all of this yourself"));
    }
    if fresh.starts_at < parent.starts_at {
        return Err(exceeds("startsAt", "yours begins later"));
    }
    match fresh.ends_at {
        Some(ends) if parent.ends_at.is_some_and(|theirs| ends > theirs) => Err(exceeds("endsAt", "yours ends earlier")),
        Some(ends) if ends <= fresh.starts_at => Err(exceeds("startsAt", "yours ends earlier")),
        _ => Ok(()),
    }
}

/// Refuses one more than there may be: in the chain, below its parent, to its holder, or by whoever gives it.
async fn ensure_room(cx: &Context, parent: Option<DelegationId>, holder: PrincipalId) -> Result<()> {
    let tx = cx.tx().await?;
    let active = |column: &str| {
        format!("SELECT FROM delegation WHERE organization_id = $1 AND {column} = $2 AND state IN ('OFFERED', 'ACTIVE')")
    };
    if let Some(parent) = parent {
        let line = delegation_line::of(tx, cx.owner(), &[parent]).await?.remove(&parent);
        DEPTH.ensure(line.map_or(0, |line| u64::from(line.depth.unsigned_abs()) + 1))?;
        BELOW.ensure_rows(tx, cx.owner(), &active("parent_id"), [parent.0.into()]).await?;
    }
    HELD.ensure_rows(tx, cx.owner(), &active("holder_id"), [holder.0.into()]).await?;
    GIVEN.ensure_rows(tx, cx.owner(), &active("grantor_id"), [cx.actor.principal.0.into()]).await
}

/// Refuses properties and portfolios that do not belong to this organization.
async fn ensure_known(cx: &Context, properties: &[PropertyId], portfolios: &[PortfolioId]) -> Result<()> {
    let tx = cx.tx().await?;
    let missing = |field: String| Error::invalid(field, "NOT_FOUND", "there is no such thing");
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

/// The items, as the parent holds them. A property held by way of a portfolio stays bound to that portfolio.
async fn covered(cx: &Context, parent: &Delegation, properties: &[PropertyId], portfolios: &[PortfolioId]) -> Result<Vec<Item>> {
    let theirs = items(cx, parent).await?;
    let mut items = Vec::new();
    for (at, id) in properties.iter().enumerate() {
        let itself = Item { organization_id: cx.owner(), property_id: Some(*id), portfolio_id: None };
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
            Some(there) => {
                items.push(Item { organization_id: cx.owner(), property_id: Some(*id), portfolio_id: Some(there.portfolio_id) })
            }
            None => return Err(exceeds(format!("propertyIds.{at}"), "it is none of yours")),
        }
    }
    for (at, id) in portfolios.iter().enumerate() {
        let whole = Item { organization_id: cx.owner(), property_id: None, portfolio_id: Some(*id) };
        if !theirs.contains(&whole) {
            return Err(exceeds(format!("portfolioIds.{at}"), "it is none of yours"));
        }
        items.push(whole);
    }
    Ok(items)
}
