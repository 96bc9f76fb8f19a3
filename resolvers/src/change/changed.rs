//! An entry of the log, as one reader sees it.

use async_graphql::{
    ContainerType, Context, ContextSelectionSet, ID, ObjectType, OutputType, Positioned, ServerResult, SimpleObject, Value,
    parser::types::Field, registry::Registry, resolver_utils::resolve_container,
};
use async_trait::async_trait;
use entities::{
    case,
    change::ChangeState,
    feed::{Content, Entry},
    history::{self, HistoryEntry},
    intent,
    node::{self, Node},
    organization_card::OrganizationCard,
    portfolio::{self, PortfolioId},
    portfolio_property,
    property::{self, PropertyId},
    work_item::WorkItem,
};
use kind::{Kind, Row, Seen, delegated, relations};
use schema::{Check, Judged, OrganizationId, Reading as _, Reads, Result, Snapshot, Subject};
use sea_orm::{ColumnTrait, QueryFilter};
use std::borrow::Cow;
use uuid::Uuid;

/// A change of one thing of a kind. The schema names the fields after the kind.
pub struct Changed<K: Followed> {
    pub cursor: String,
    pub change: ChangeState,
    pub organization_id: OrganizationId,
    pub id: Option<Uuid>,
    pub object: Option<K::Object>,
    pub event: Option<HistoryEntry>,
}

/// A kind whose changes can be subscribed to.
pub trait Followed: Kind {
    /// The description of the type in the schema, such as `A property changed.`
    const ABOUT: &'static str;
}

impl Followed for entities::property::Model {
    const ABOUT: &'static str = "A property changed.";
}

impl Followed for case::Model {
    const ABOUT: &'static str = "A case changed, or its notes, questions or links did.";
}

impl Followed for intent::Model {
    const ABOUT: &'static str = "An intent changed.";
}

impl Followed for portfolio::Model {
    const ABOUT: &'static str = "A portfolio changed.";
}

#[async_trait]
impl<K: Followed> OutputType for Changed<K> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Changed", K::Object::type_name()).into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        kind::object::<Self>(registry, K::ABOUT, |fields| {
            let name = K::INFO.namespace();
            fields.add::<String>("cursor", Some("To go on from here after a break."));
            fields.add::<ChangeState>("change", None);
            fields.add::<OrganizationId>("organizationId", Some("Whose it is."));
            fields.add::<Option<ID>>(&format!("{name}Id"), Some("Null where all of an organization is meant."));
            fields.add::<Option<K::Object>>(&name, Some("As it is now; null where there is nothing to see."));
            fields.add::<Option<HistoryEntry>>("event", Some("What happened, for who may read the history."));
        })
    }

    async fn resolve(&self, cx: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        resolve_container(cx, self).await
    }
}

#[async_trait]
impl<K: Followed> ContainerType for Changed<K> {
    async fn resolve_field(&self, cx: &Context<'_>) -> ServerResult<Option<Value>> {
        let set = cx.with_selection_set(&cx.item.node.selection_set);
        let value = match cx.item.node.name.node.as_str() {
            "cursor" => self.cursor.resolve(&set, cx.item).await,
            "change" => self.change.resolve(&set, cx.item).await,
            "organizationId" => self.organization_id.resolve(&set, cx.item).await,
            "event" => self.event.resolve(&set, cx.item).await,
            name if name == K::INFO.namespace() => self.object.resolve(&set, cx.item).await,
            name if name.strip_suffix("Id").is_some_and(|name| name == K::INFO.namespace()) => {
                self.id.map(|id| ID(schema::hyphenated(id))).resolve(&set, cx.item).await
            }
            _ => return kind::relation::resolve(self, cx).await,
        };
        value.map(Some)
    }
}

impl<K: Followed> ObjectType for Changed<K> {}

/// Something happened.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct Event {
    /// To go on from here after a break.
    pub cursor: String,
    pub change: ChangeState,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// About such a thing, such as `property`; null where all of an organization is meant.
    pub resource_kind: Option<String>,
    pub resource_id: Option<ID>,
    /// What it is about, as it is now; null where there is nothing to see.
    pub node: Option<Node>,
    /// What happened, for who may read the history.
    pub event: Option<HistoryEntry>,
}

kind::related!(Event);

relations!(OF_EVENT of Event {
    /// Whose it is.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
});

relations!(OF_PROPERTY_CHANGED of Changed<property::Model> {
    /// Whose it is.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
});

relations!(OF_CASE_CHANGED of Changed<case::Model> {
    /// Whose it is.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
});

relations!(OF_INTENT_CHANGED of Changed<intent::Model> {
    /// Whose it is.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
});

/// An item of the queue changed, came into it or left it.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct WorkItemChanged {
    /// To go on from here after a break.
    pub cursor: String,
    /// Gone: nobody is waited for any more.
    pub change: ChangeState,
    /// Whose the thing is that waits.
    pub organization_id: OrganizationId,
    /// The item. Null where all of an organization is meant.
    pub work_item_id: Option<ID>,
    /// As it is now; null where there is nothing to see.
    pub work_item: Option<WorkItem>,
    /// What happened, for who may read the history.
    pub event: Option<HistoryEntry>,
}

kind::related!(WorkItemChanged);

relations!(OF_WORK_ITEM_CHANGED of WorkItemChanged {
    /// Whose the thing is that waits.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
});

relations!(OF_PORTFOLIO_CHANGED of Changed<portfolio::Model> {
    /// Whose it is.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
});

/// An entry of the log, with those parts that the reader may see.
pub struct Happened {
    pub change: ChangeState,
    pub organization: OrganizationId,
    pub about: Option<(&'static str, Uuid)>,
    pub node: Option<Node>,
    pub event: Option<HistoryEntry>,
}

/// Whether the policies let the reader read this event, judged in memory.
async fn readable(reads: &Reads, snapshot: &Snapshot, event: &history::Model) -> Result<bool> {
    let delegations = match event.delegable() {
        Some(thing) if snapshot.actor.delegated => {
            delegated::over(&snapshot.tx, event.organization_id, thing, snapshot.actor.principal).await?
        }
        _ => Vec::new(),
    };
    let Judged::One(resource) = Seen::of(event.clone(), snapshot.actor.organization, delegations).judged() else {
        return Ok(false);
    };
    let decide = &reads.gateway().decide;
    decide.allows(&snapshot.actor, &Check { action: "read", resource }, snapshot.now).await
}

/// The entry as the reader sees it, or None if the reader may not know of it. `about` names the thing that is meant, if it is
/// not the event's own.
pub async fn happened(
    reads: &Reads,
    snapshot: &Snapshot,
    entry: &Entry,
    about: Option<(&'static str, Uuid)>,
) -> Result<Option<Happened>> {
    let mark = |change| Happened { change, organization: entry.source, about: None, node: None, event: None };
    let event = match &entry.what {
        Content::Gained => return Ok(Some(mark(ChangeState::ScopeGained))),
        Content::Lost => return Ok(Some(mark(ChangeState::ScopeLost))),
        Content::Nothing => return Ok(None),
        Content::Event(event) => event,
    };
    if entry.source != snapshot.actor.organization {
        snapshot.reach(&[entry.source]).await?;
        // An ended grant covers nothing any more, not even that something happened.
        let visible = history::of(entry.source).filter(history::Column::Seq.eq(event.seq)).one(&snapshot.tx).await?;
        if visible.is_none() {
            return Ok(None);
        }
    }
    let known = entities::kind(&event.resource_kind);
    let Some((kind, id)) = about.or(known.map(|kind| (kind.name, event.resource_id))) else { return Ok(None) };
    let found = node::find(snapshot, &[entry.source], &[(kind, id)]).await?;
    // A thing out of sight hides its changes as well: under the same rights it was out of sight before.
    let Some(node) = found.into_values().next() else { return Ok(None) };
    let event = readable(reads, snapshot, event).await?.then(|| HistoryEntry::from((**event).clone()));
    let change = ChangeState::of(&node);
    Ok(Some(Happened { change, organization: entry.source, about: Some((kind, id)), node: Some(node), event }))
}

/// Whether a property is in a portfolio; None if the reader may not see the portfolio.
pub async fn in_portfolio(
    snapshot: &Snapshot,
    owner: OrganizationId,
    portfolio: PortfolioId,
    property: PropertyId,
) -> Result<Option<bool>> {
    let visible = portfolio::by_id(owner, portfolio).filter(snapshot.filter(portfolio::KIND)?);
    if visible.one(&snapshot.tx).await?.is_none() {
        return Ok(None);
    }
    let member = portfolio_property::one(owner, portfolio, property).one(&snapshot.tx).await?;
    Ok(Some(member.is_some_and(|member| member.removed_at.is_none())))
}
