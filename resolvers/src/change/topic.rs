//! The topic of a subscription: a first filter on log entries, before any rights are looked at.

use async_graphql::InputObject;
use entities::{
    case::{self, CaseId},
    case_link, case_note, case_question,
    feed::{Content, Entry},
    history,
    intent::{self, IntentId},
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
    /// Kinds whose changes are changes of the thing that they hang on, with the name by which their events refer to it.
    pub hanging: Option<(&'static [&'static str], &'static str)>,
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

/// Which changes of cases. All that is given must hold.
#[derive(Debug, Clone, Default, InputObject, Validate)]
pub struct CaseChangeFilter {
    /// Such as `case.resolved` or `case_note.created`.
    #[garde(custom(valid::count(1, 50)))]
    pub kinds: Option<Vec<String>>,
    /// Of these cases.
    #[garde(custom(valid::count(1, 100)))]
    pub case_ids: Option<Vec<CaseId>>,
    /// Of these organizations, for who looks after several.
    #[garde(custom(valid::count(1, 100)))]
    pub organization_ids: Option<Vec<OrganizationId>>,
}

/// Which changes of intents. All that is given must hold.
#[derive(Debug, Clone, Default, InputObject, Validate)]
pub struct IntentChangeFilter {
    /// Such as `intent.submitted`.
    #[garde(custom(valid::count(1, 50)))]
    pub kinds: Option<Vec<String>>,
    /// Of these intents.
    #[garde(custom(valid::count(1, 100)))]
    pub intent_ids: Option<Vec<IntentId>>,
    /// Of these organizations, for who looks after several.
    #[garde(custom(valid::count(1, 100)))]
    pub organization_ids: Option<Vec<OrganizationId>>,
}

/// Which changes of a queue. All that is given must hold.
#[derive(Debug, Clone, Default, InputObject, Validate)]
pub struct WorkItemChangeFilter {
    /// Of these organizations.
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

impl From<CaseChangeFilter> for ChangeFilter {
    fn from(filter: CaseChangeFilter) -> Self {
        let CaseChangeFilter { kinds, case_ids, organization_ids } = filter;
        let ids = case_ids.map(|all| all.into_iter().map(CaseId::uuid).collect());
        let hanging = Some((&[case_link::KIND, case_note::KIND, case_question::KIND][..], "caseId"));
        let organizations = organization_ids;
        ChangeFilter { kind: Some(case::KIND), hanging, kinds, ids, organizations, ..ChangeFilter::default() }
    }
}

impl From<IntentChangeFilter> for ChangeFilter {
    fn from(filter: IntentChangeFilter) -> Self {
        let IntentChangeFilter { kinds, intent_ids, organization_ids } = filter;
        let ids = intent_ids.map(|all| all.into_iter().map(IntentId::uuid).collect());
        ChangeFilter { kind: Some(intent::KIND), kinds, ids, organizations: organization_ids, ..ChangeFilter::default() }
    }
}

impl From<WorkItemChangeFilter> for ChangeFilter {
    fn from(WorkItemChangeFilter { organization_ids }: WorkItemChangeFilter) -> Self {
        let waiting = [case::KIND, case_question::KIND, intent::KIND].map(str::to_owned).to_vec();
        ChangeFilter { resource_kinds: Some(waiting), organizations: organization_ids, ..ChangeFilter::default() }
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
    /// The thing that is meant, where an event is about another: a property that came into the portfolio or left it, or the thing
    /// on which the event's own hangs.
    pub fn moved(&self, event: &history::Model) -> Option<Uuid> {
        if let Some((kinds, name)) = self.hanging
            && kinds.contains(&event.resource_kind.as_str())
        {
            return event.change["ids"][name].as_str()?.parse().ok();
        }
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
