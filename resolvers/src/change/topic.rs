//! The topic of a subscription: which places of the log may concern it.

use async_graphql::InputObject;
use entities::{
    feed::{Entry, What},
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
    Things(Watched),
    Operation(OperationId),
}

/// The changes that a subscriber asks for. All that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// Of this kind only: then a thing that comes into the portfolio or leaves it is told as well.
    pub kind: Option<&'static str>,
    pub resource_kinds: Option<Vec<String>>,
    /// Such as `property.updated`.
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

impl From<PropertyChangeFilter> for Watched {
    fn from(filter: PropertyChangeFilter) -> Self {
        let PropertyChangeFilter { kinds, property_ids, portfolio_id, organization_ids } = filter;
        let ids = property_ids.map(|all| all.into_iter().map(PropertyId::uuid).collect());
        Watched {
            kind: Some(property::KIND),
            kinds,
            ids,
            portfolio: portfolio_id,
            organizations: organization_ids,
            ..Watched::default()
        }
    }
}

impl From<PortfolioChangeFilter> for Watched {
    fn from(filter: PortfolioChangeFilter) -> Self {
        let PortfolioChangeFilter { kinds, portfolio_ids, organization_ids } = filter;
        let ids = portfolio_ids.map(|all| all.into_iter().map(PortfolioId::uuid).collect());
        Watched { kind: Some(portfolio::KIND), kinds, ids, organizations: organization_ids, ..Watched::default() }
    }
}

impl From<EventFilter> for Watched {
    fn from(filter: EventFilter) -> Self {
        let EventFilter { kinds, resource_kinds, resource_ids, portfolio_id, organization_ids } = filter;
        let ids = resource_ids.map(|all| all.into_iter().map(ResourceId::uuid).collect());
        Watched { resource_kinds, kinds, ids, portfolio: portfolio_id, organizations: organization_ids, ..Watched::default() }
    }
}

fn among<T: PartialEq>(asked: Option<&Vec<T>>, one: &T) -> bool {
    asked.is_none_or(|asked| asked.contains(one))
}

/// The property that an event refers to besides its own thing.
pub fn referred(event: &history::Model) -> Option<Uuid> {
    event.change["ids"]["propertyId"].as_str()?.parse().ok()
}

impl Watched {
    /// The property that came into the portfolio or left it, where an event says so.
    pub fn moved(&self, event: &history::Model) -> Option<Uuid> {
        let portfolio = self.portfolio.filter(|_| self.kind.is_some_and(|kind| kind != portfolio::KIND))?;
        (event.resource_kind == portfolio::KIND && event.resource_id == portfolio.0).then(|| referred(event)).flatten()
    }

    fn concerned(&self, event: &history::Model) -> bool {
        let moved = self.moved(event);
        let of_kind = match self.kind {
            Some(kind) => moved.is_some() || event.resource_kind == kind,
            None => among(self.resource_kinds.as_ref(), &event.resource_kind),
        };
        of_kind && among(self.kinds.as_ref(), &event.kind) && among(self.ids.as_ref(), &moved.unwrap_or(event.resource_id))
    }
}

impl Topic {
    /// Whether a place of the log may concern it, by what the log itself says.
    pub fn concerns(&self, entry: &Entry) -> bool {
        let Topic::Things(watched) = self else { return false };
        among(watched.organizations.as_ref(), &entry.source)
            && match &entry.what {
                What::Nothing => false,
                What::Gained | What::Lost => true,
                What::Event(event) => watched.concerned(event),
            }
    }
}
