//! What can be subscribed to. A subscription's document is run once to learn what it asks for, then once for each
//! place of the log that may concern it and each distinct view, never once for each subscriber.

use async_graphql::{Context, ID, InputObject, SimpleObject, Subscription};
use entities::{
    change::{self, ChangeState},
    delegation,
    feed::{Entry, What},
    history::{self, HistoryEntry},
    loading::{Row, Seen},
    node::{self, Node, Wanted},
    operation,
    portfolio::{self, Portfolio, PortfolioId},
    property::{self, Property, PropertyId},
};
use futures_util::{Stream, stream};
use garde::Validate;
use schema::{
    Check, Code, Error, Judged, Operation, OperationId, OperationState, OrganizationId, Reads, Result, Snapshot, Subject, input,
    valid,
};
use sea_orm::{ColumnTrait, Condition, QueryFilter};
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

schema::id!(
    /// Of anything.
    ResourceId
);

/// For what a subscription's document is run.
pub enum Delivery {
    /// To learn what it asks for.
    Ask(Mutex<Option<Asked>>),
    /// For this place of the log.
    Place { entry: Entry, cursor: String },
    /// For the operation as it is now; how it stands then is left here.
    Operation(Mutex<Option<OperationState>>),
}

/// What a subscriber asks for.
#[derive(Debug, Clone)]
pub struct Asked {
    pub topic: Topic,
    pub after: Option<String>,
}

#[derive(Debug, Clone)]
pub enum Topic {
    Properties(PropertyChangeFilter),
    Portfolios(PortfolioChangeFilter),
    Events(EventFilter),
    Operation(OperationId),
}

/// Which changes of properties. All that is given must hold.
#[derive(Debug, Clone, Default, InputObject, Validate)]
pub struct PropertyChangeFilter {
    /// Such as `property.updated`.
    #[garde(custom(valid::count(1, 50)))]
    pub kinds: Option<Vec<String>>,
    /// Of these properties.
    #[garde(custom(valid::count(1, 100)))]
    pub property_ids: Option<Vec<PropertyId>>,
    /// In this portfolio; coming into it and leaving it are told as well.
    #[garde(skip)]
    pub portfolio_id: Option<PortfolioId>,
    /// Of these organizations, for who looks after several.
    #[garde(custom(valid::count(1, 100)))]
    pub organization_ids: Option<Vec<OrganizationId>>,
}

/// Which changes of portfolios. All that is given must hold.
#[derive(Debug, Clone, Default, InputObject, Validate)]
pub struct PortfolioChangeFilter {
    /// Such as `portfolio.property_added`.
    #[garde(custom(valid::count(1, 50)))]
    pub kinds: Option<Vec<String>>,
    /// Of these portfolios.
    #[garde(custom(valid::count(1, 100)))]
    pub portfolio_ids: Option<Vec<PortfolioId>>,
    /// Of these organizations, for who looks after several.
    #[garde(custom(valid::count(1, 100)))]
    pub organization_ids: Option<Vec<OrganizationId>>,
}

/// Which events. All that is given must hold.
#[derive(Debug, Clone, Default, InputObject, Validate)]
pub struct EventFilter {
    /// Such as `property.updated`.
    #[garde(custom(valid::count(1, 50)))]
    pub kinds: Option<Vec<String>>,
    /// About such things, such as `property`.
    #[garde(custom(valid::count(1, 50)))]
    pub resource_kinds: Option<Vec<String>>,
    /// About one of these.
    #[garde(custom(valid::count(1, 100)))]
    pub resource_ids: Option<Vec<ResourceId>>,
    /// About a property in this portfolio, or the portfolio itself.
    #[garde(skip)]
    pub portfolio_id: Option<PortfolioId>,
    /// Of these organizations, for who looks after several.
    #[garde(custom(valid::count(1, 100)))]
    pub organization_ids: Option<Vec<OrganizationId>>,
}

fn among<T: PartialEq>(asked: Option<&Vec<T>>, it: &T) -> bool {
    asked.is_none_or(|asked| asked.contains(it))
}

/// The property that an event refers to besides what it is about.
fn referred(event: &history::Model) -> Option<Uuid> {
    event.change["ids"]["propertyId"].as_str()?.parse().ok()
}

impl Topic {
    /// Whether a place of the log may concern it, by what the log itself says.
    pub fn concerns(&self, entry: &Entry) -> bool {
        let of = |organizations: &Option<Vec<OrganizationId>>| among(organizations.as_ref(), &entry.source);
        match (self, &entry.what) {
            (Topic::Operation(_), _) | (_, What::Nothing) => false,
            (Topic::Properties(PropertyChangeFilter { organization_ids, .. }), What::Gained | What::Lost)
            | (Topic::Portfolios(PortfolioChangeFilter { organization_ids, .. }), What::Gained | What::Lost)
            | (Topic::Events(EventFilter { organization_ids, .. }), What::Gained | What::Lost) => of(organization_ids),
            (Topic::Properties(filter), What::Event(event)) => {
                let PropertyChangeFilter { kinds, property_ids, portfolio_id, organization_ids } = filter;
                let moved = portfolio_id.is_some_and(|id| event.resource_id == id.0) && event.resource_kind == portfolio::KIND;
                let subject = if moved { referred(event) } else { Some(event.resource_id) };
                of(organization_ids)
                    && among(kinds.as_ref(), &event.kind)
                    && (moved || event.resource_kind == property::KIND)
                    && subject.is_some_and(|id| among(property_ids.as_ref(), &PropertyId(id)))
            }
            (Topic::Portfolios(filter), What::Event(event)) => {
                let PortfolioChangeFilter { kinds, portfolio_ids, organization_ids } = filter;
                of(organization_ids)
                    && among(kinds.as_ref(), &event.kind)
                    && event.resource_kind == portfolio::KIND
                    && among(portfolio_ids.as_ref(), &PortfolioId(event.resource_id))
            }
            (Topic::Events(filter), What::Event(event)) => {
                let EventFilter { kinds, resource_kinds, resource_ids, portfolio_id: _, organization_ids } = filter;
                of(organization_ids)
                    && among(kinds.as_ref(), &event.kind)
                    && among(resource_kinds.as_ref(), &event.resource_kind)
                    && among(resource_ids.as_ref(), &ResourceId(event.resource_id))
            }
        }
    }
}

/// A property changed.
#[derive(SimpleObject)]
pub struct PropertyChanged {
    /// To go on from here after a break.
    cursor: String,
    change: ChangeState,
    /// Whose it is.
    organization_id: OrganizationId,
    /// Null where all of an organization is meant.
    property_id: Option<PropertyId>,
    /// As it is now; null where there is nothing to see.
    property: Option<Property>,
    /// What happened, for who may read the history.
    event: Option<HistoryEntry>,
}

/// A portfolio changed.
#[derive(SimpleObject)]
pub struct PortfolioChanged {
    /// To go on from here after a break.
    cursor: String,
    change: ChangeState,
    /// Whose it is.
    organization_id: OrganizationId,
    /// Null where all of an organization is meant.
    portfolio_id: Option<PortfolioId>,
    /// As it is now; null where there is nothing to see.
    portfolio: Option<Portfolio>,
    /// What happened, for who may read the history.
    event: Option<HistoryEntry>,
}

/// Something happened.
#[derive(SimpleObject)]
pub struct Event {
    /// To go on from here after a break.
    cursor: String,
    change: ChangeState,
    /// Whose it is.
    organization_id: OrganizationId,
    /// About such a thing, such as `property`; null where all of an organization is meant.
    resource_kind: Option<String>,
    resource_id: Option<ID>,
    /// What it is about, as it is now; null where there is nothing to see.
    node: Option<Node>,
    /// What happened, for who may read the history.
    event: Option<HistoryEntry>,
}

/// What a place of the log is to a reader.
struct Happened {
    change: ChangeState,
    organization: OrganizationId,
    about: Option<(&'static str, Uuid)>,
    node: Option<Node>,
    event: Option<HistoryEntry>,
}

struct One<'a>(&'a Snapshot, &'static str, Uuid);

impl Wanted for One<'_> {
    fn ids(&self, kind: &'static str) -> Vec<Uuid> {
        if kind == self.1 { vec![self.2] } else { Vec::new() }
    }

    fn visible(&self, kind: &'static str) -> Result<Condition> {
        self.0.filter(kind)
    }
}

/// Whether the reader may read this event: by the rule of the policies, in memory.
async fn readable(reads: &Reads, snapshot: &Snapshot, event: &history::Model) -> Result<bool> {
    let delegations = match event.delegable() {
        Some(what) if snapshot.actor.delegated => {
            delegation::over(&snapshot.tx, event.organization_id, what, snapshot.actor.principal).await?
        }
        _ => Vec::new(),
    };
    let Judged::One(resource) = Seen::of(event.clone(), snapshot.actor.organization, delegations).judged() else {
        return Ok(false);
    };
    let decide = &reads.gateway().decide;
    decide.allows(&snapshot.actor, &Check { action: "read", resource }, snapshot.now).await
}

/// Nothing, if the reader may not know of it. `about`: which thing is meant, if not the event's own.
async fn happened(
    reads: &Reads,
    snapshot: &Snapshot,
    entry: &Entry,
    about: Option<(&'static str, Uuid)>,
) -> Result<Option<Happened>> {
    let mark = |change| Happened { change, organization: entry.source, about: None, node: None, event: None };
    let event = match &entry.what {
        What::Gained => return Ok(Some(mark(ChangeState::ScopeGained))),
        What::Lost => return Ok(Some(mark(ChangeState::ScopeLost))),
        What::Nothing => return Ok(None),
        What::Event(event) => event,
    };
    if entry.source != snapshot.actor.organization {
        snapshot.reach([entry.source]).await?;
        // A grant that ended covers nothing any more, not even that something happened.
        let visible = history::of(entry.source).filter(history::Column::Seq.eq(event.seq)).one(&snapshot.tx).await?;
        if visible.is_none() {
            return Ok(None);
        }
    }
    let known = entities::KINDS.iter().find(|kind| **kind == event.resource_kind);
    let Some((kind, id)) = about.or(known.map(|kind| (*kind, event.resource_id))) else { return Ok(None) };
    let found = node::find(&snapshot.tx, &[entry.source], snapshot.actor.organization, &One(snapshot, kind, id)).await?;
    // Of what one does not see, not even that something happened to it: under the same rights it was not seen before either.
    let Some(node) = found.into_values().next() else { return Ok(None) };
    let event = readable(reads, snapshot, event).await?.then(|| HistoryEntry::from((**event).clone()));
    let change = ChangeState::of(&node);
    Ok(Some(Happened { change, organization: entry.source, about: Some((kind, id)), node: Some(node), event }))
}

/// Whether a property is in a portfolio; None if the reader may not see that.
async fn within(
    snapshot: &Snapshot,
    owner: OrganizationId,
    portfolio: PortfolioId,
    property: PropertyId,
) -> Result<Option<bool>> {
    let visible = portfolio::by_id(owner, portfolio).filter(snapshot.filter(portfolio::KIND)?);
    if visible.one(&snapshot.tx).await?.is_none() {
        return Ok(None);
    }
    let member = portfolio::member::one(owner, portfolio, property).one(&snapshot.tx).await?;
    Ok(Some(member.is_some_and(|member| member.removed_at.is_none())))
}

type Told<T> = async_graphql::Result<T>;

/// Nothing, or the one.
fn told<T>(happened: Option<T>) -> impl Stream<Item = Told<T>> {
    stream::iter(happened.map(Ok))
}

fn internal(error: async_graphql::Error) -> Error {
    Error::internal(error.message)
}

/// Runs a document for what it was meant: says what it asks for, or makes of a place what it is to the reader.
async fn deliver<T>(
    cx: &Context<'_>,
    ask: impl FnOnce() -> Result<Asked>,
    make: impl AsyncFnOnce(&Reads, &Snapshot, &Entry, String) -> Result<Option<T>>,
) -> Told<Option<T>> {
    let done = async {
        match &**cx.data::<Arc<Delivery>>().map_err(internal)? {
            Delivery::Ask(slot) => {
                let asked = ask()?;
                if slot.lock().unwrap_or_else(PoisonError::into_inner).replace(asked).is_some() {
                    return Err(Error::new(Code::GraphqlValidationFailed).message("A subscription has one field."));
                }
                Ok(None)
            }
            Delivery::Place { entry, cursor } => {
                let reads = cx.data::<Arc<Reads>>().map_err(internal)?;
                let snapshot = reads.snapshot().await?;
                make(reads, &snapshot, entry, cursor.clone()).await
            }
            Delivery::Operation(_) => Ok(None),
        }
    };
    done.await.map_err(|error: Error| {
        error.trace();
        error.into()
    })
}

#[derive(Default)]
pub struct LiveSubscription;

#[Subscription(name = "Subscription")]
impl LiveSubscription {
    /// Each change of a property that the subscriber may see, in order; `after` goes on from a cursor, without losing any.
    async fn property_changed(
        &self,
        cx: &Context<'_>,
        filter: Option<PropertyChangeFilter>,
        after: Option<String>,
    ) -> async_graphql::Result<impl Stream<Item = async_graphql::Result<PropertyChanged>>> {
        let filter = filter.unwrap_or_default();
        let portfolio = filter.portfolio_id;
        let ask = || {
            input::validate_at("filter", Some(&filter))?;
            Ok(Asked { topic: Topic::Properties(filter.clone()), after })
        };
        let made = deliver(cx, ask, async |reads, snapshot, entry, cursor| {
            let moved = match &entry.what {
                What::Event(event) if event.resource_kind == portfolio::KIND => referred(event),
                _ => None,
            };
            let about = moved.map(|id| (property::KIND, id));
            let Some(Happened { mut change, organization, about, mut node, event }) =
                happened(reads, snapshot, entry, about).await?
            else {
                return Ok(None);
            };
            let property_id = about.map(|(_, id)| PropertyId(id));
            if let (Some(portfolio), Some(property)) = (portfolio, property_id) {
                match within(snapshot, organization, portfolio, property).await? {
                    Some(true) => {}
                    Some(false) if moved.is_some() => (change, node) = (ChangeState::Gone, None),
                    _ => return Ok(None),
                }
            }
            let property = match node {
                Some(Node::Property(property)) => Some(property),
                _ => None,
            };
            Ok(Some(PropertyChanged { cursor, change, organization_id: organization, property_id, property, event }))
        });
        made.await.map(told)
    }

    /// Each change of a portfolio that the subscriber may see, in order.
    async fn portfolio_changed(
        &self,
        cx: &Context<'_>,
        filter: Option<PortfolioChangeFilter>,
        after: Option<String>,
    ) -> async_graphql::Result<impl Stream<Item = async_graphql::Result<PortfolioChanged>>> {
        let ask = || {
            let filter = filter.unwrap_or_default();
            input::validate_at("filter", Some(&filter))?;
            Ok(Asked { topic: Topic::Portfolios(filter), after })
        };
        let made = deliver(cx, ask, async |reads, snapshot, entry, cursor| {
            let happened = happened(reads, snapshot, entry, None).await?;
            Ok(happened.map(|Happened { change, organization, about, node, event }| PortfolioChanged {
                cursor,
                change,
                organization_id: organization,
                portfolio_id: about.map(|(_, id)| PortfolioId(id)),
                portfolio: match node {
                    Some(Node::Portfolio(portfolio)) => Some(portfolio),
                    _ => None,
                },
                event,
            }))
        });
        made.await.map(told)
    }

    /// Everything that happens to what the subscriber may see, in order; `after` goes on from a cursor, without losing any.
    async fn events(
        &self,
        cx: &Context<'_>,
        filter: Option<EventFilter>,
        after: Option<String>,
    ) -> async_graphql::Result<impl Stream<Item = async_graphql::Result<Event>>> {
        let filter = filter.unwrap_or_default();
        let portfolio = filter.portfolio_id;
        let ask = || {
            input::validate_at("filter", Some(&filter))?;
            change::kinds("filter.resourceKinds", filter.resource_kinds.clone())?;
            Ok(Asked { topic: Topic::Events(filter.clone()), after })
        };
        let made = deliver(cx, ask, async |reads, snapshot, entry, cursor| {
            let Some(Happened { change, organization, about, node, event }) = happened(reads, snapshot, entry, None).await?
            else {
                return Ok(None);
            };
            if let (Some(portfolio), What::Event(event)) = (portfolio, &entry.what) {
                let concerned = match event.resource_kind.as_str() {
                    portfolio::KIND => event.resource_id == portfolio.0,
                    property::KIND => {
                        within(snapshot, organization, portfolio, PropertyId(event.resource_id)).await? == Some(true)
                    }
                    _ => match referred(event) {
                        Some(property) => within(snapshot, organization, portfolio, PropertyId(property)).await? == Some(true),
                        None => false,
                    },
                };
                if !concerned {
                    return Ok(None);
                }
            }
            let (resource_kind, resource_id) = about.map(|(kind, id)| (kind.to_owned(), ID(id.to_string()))).unzip();
            Ok(Some(Event { cursor, change, organization_id: organization, resource_kind, resource_id, node, event }))
        });
        made.await.map(told)
    }

    /// An operation of the acting organization: as it is now, then each time it moves. Ends with it.
    async fn operation_changed(
        &self,
        cx: &Context<'_>,
        id: OperationId,
    ) -> async_graphql::Result<impl Stream<Item = async_graphql::Result<Operation>>> {
        let ask = || Ok(Asked { topic: Topic::Operation(id), after: None });
        let asked = deliver::<Operation>(cx, ask, async |_, _, _, _| Ok(None)).await?;
        let found = async {
            let Delivery::Operation(state) = &**cx.data::<Arc<Delivery>>().map_err(internal)? else { return Ok(asked) };
            let snapshot = schema::snapshot(cx).await?;
            let select = operation::by_id(snapshot.actor.organization, id).filter(snapshot.filter(operation::KIND)?);
            let row = select.one(&snapshot.tx).await?.ok_or_else(|| Error::new(Code::NotFound))?;
            let operation = Operation::from(row);
            *state.lock().unwrap_or_else(PoisonError::into_inner) = Some(operation.state);
            Ok(Some(operation))
        };
        let found: Result<_> = found.await;
        Ok(told(found?))
    }
}
