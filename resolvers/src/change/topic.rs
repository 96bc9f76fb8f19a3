//! The topic of a subscription: a first filter on log entries, before any rights are looked at.

use async_graphql::InputObject;
use entities::{
    feed::{Content, Entry},
    history,
    portfolio::{self, PortfolioId},
    property::{self, PropertyId},
};
use garde::Validate;
use schema::{OperationId, OrganizationId, valid};
use uuid::Uuid;

schema::id!(
    /// Of anything.
    ResourceId
);

#[derive(Debug, Clone)]
pub enum Topic {
    Things(ChangeFilter),
    Operation(OperationId),
}

/// The changes that a subscriber asks for; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct ChangeFilter {
    /// The only kind, if there is one; then a thing that comes into the portfolio or leaves it counts as well.
    pub kind: Option<&'static str>,
    pub resource_kinds: Option<Vec<String>>,
    /// The names of events, such as `property.updated`.
    pub kinds: Option<Vec<String>>,
    pub ids: Option<Vec<Uuid>>,
    pub portfolio: Option<PortfolioId>,
    pub organizations: Option<Vec<OrganizationId>>,
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

impl From<PropertyChangeFilter> for ChangeFilter {
    fn from(filter: PropertyChangeFilter) -> Self {
        let PropertyChangeFilter { kinds, property_ids, portfolio_id, organization_ids } = filter;
        let ids = property_ids.map(|all| all.into_iter().map(PropertyId::uuid).collect());
        ChangeFilter {
            kind: Some(property::KIND),
            kinds,
            ids,
            portfolio: portfolio_id,
            organizations: organization_ids,
            ..ChangeFilter::default()
        }
    }
}

impl From<PortfolioChangeFilter> for ChangeFilter {
    fn from(filter: PortfolioChangeFilter) -> Self {
        let PortfolioChangeFilter { kinds, portfolio_ids, organization_ids } = filter;
        let ids = portfolio_ids.map(|all| all.into_iter().map(PortfolioId::uuid).collect());
        ChangeFilter { kind: Some(portfolio::KIND), kinds, ids, organizations: organization_ids, ..ChangeFilter::default() }
    }
}

impl From<EventFilter> for ChangeFilter {
    fn from(filter: EventFilter) -> Self {
        let EventFilter { kinds, resource_kinds, resource_ids, portfolio_id, organization_ids } = filter;
        let ids = resource_ids.map(|all| all.into_iter().map(ResourceId::uuid).collect());
        ChangeFilter {
            resource_kinds,
            kinds,
            ids,
            portfolio: portfolio_id,
            organizations: organization_ids,
            ..ChangeFilter::default()
        }
    }
}

fn accepts<T: PartialEq>(choice: Option<&Vec<T>>, value: &T) -> bool {
    choice.is_none_or(|choice| choice.contains(value))
}

/// The property that an event refers to besides its own thing.
pub fn referred(event: &history::Model) -> Option<Uuid> {
    event.change["ids"]["propertyId"].as_str()?.parse().ok()
}

impl ChangeFilter {
    /// The property that came into the portfolio or left it, where an event says so.
    pub fn moved(&self, event: &history::Model) -> Option<Uuid> {
        let portfolio = self.portfolio.filter(|_| self.kind.is_some_and(|kind| kind != portfolio::KIND))?;
        (event.resource_kind == portfolio::KIND && event.resource_id == portfolio.0).then(|| referred(event)).flatten()
    }

    fn concerns(&self, event: &history::Model) -> bool {
        let moved = self.moved(event);
        let of_kind = match self.kind {
            Some(kind) => moved.is_some() || event.resource_kind == kind,
            None => accepts(self.resource_kinds.as_ref(), &event.resource_kind),
        };
        of_kind && accepts(self.kinds.as_ref(), &event.kind) && accepts(self.ids.as_ref(), &moved.unwrap_or(event.resource_id))
    }
}

impl Topic {
    /// Whether a log entry may concern the topic, judged by the entry alone.
    pub fn concerns(&self, entry: &Entry) -> bool {
        let Topic::Things(filter) = self else { return false };
        accepts(filter.organizations.as_ref(), &entry.source)
            && match &entry.what {
                Content::Nothing => false,
                Content::Gained | Content::Lost => true,
                Content::Event(event) => filter.concerns(event),
            }
    }
}
