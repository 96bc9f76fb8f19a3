//! The subscriptions. A document is run once to learn its topic, then once for each log entry that may concern it and each
//! distinct view, never once for each subscriber.

use super::{
    changed::{Changed, Event, Followed, Happened, WorkItemChanged, happened, in_portfolio},
    topic::{
        CaseChangeFilter, ChangeFilter, EventFilter, IntentChangeFilter, PortfolioChangeFilter, PropertyChangeFilter, Topic,
        WorkItemChangeFilter, referred,
    },
};
use async_graphql::{Context, ID, Subscription};
use entities::{
    case, case_link, case_note, case_question,
    change::{self, ChangeState},
    feed::{Content, Entry},
    history, intent, operation, portfolio,
    property::{self, PropertyId},
    work_item,
};
use futures_util::{Stream, stream};
use kind::{Plan, Root};
use schema::{Code, Error, Operation, OperationId, OperationState, Reads, Result, Snapshot, input};
use sea_orm::QueryFilter;
use std::sync::{Arc, Mutex, PoisonError};

/// The purpose of one run of a subscription's document.
pub enum Delivery {
    /// To learn the topic, which is left here.
    Ask(Mutex<Option<Asked>>),
    /// To answer this entry of the log.
    Place { entry: Entry, cursor: String },
    /// To answer the operation as it is now; its state is left here.
    Operation(Mutex<Option<OperationState>>),
}

/// The topic of a subscription, and the cursor to start from.
#[derive(Debug, Clone)]
pub struct Asked {
    pub topic: Topic,
    pub after: Option<String>,
}

type Item<T> = async_graphql::Result<T>;

/// A stream of one item or none.
fn none_or_one<T>(item: Option<T>) -> impl Stream<Item = Item<T>> {
    stream::iter(item.map(Ok))
}

fn internal(error: async_graphql::Error) -> Error {
    Error::internal(error.message)
}

/// Serves the purpose of a run: leaves the topic in the delivery, or makes the answer for its entry.
async fn deliver<T>(
    cx: &Context<'_>,
    ask: impl FnOnce() -> Result<Asked>,
    make: impl AsyncFnOnce(&Reads, &Snapshot, &Entry, String) -> Result<Option<T>>,
) -> Item<Option<T>> {
    let done = async {
        match &**cx.data::<Arc<Delivery>>().map_err(internal)? {
            Delivery::Ask(slot) => {
                let asked = ask()?;
                if slot.lock().unwrap_or_else(PoisonError::into_inner).replace(asked).is_some() {
                    return Err(Error::new(Code::GRAPHQL_VALIDATION_FAILED).message("A subscription has one field."));
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

/// The changes of a kind. A thing that comes into the portfolio or leaves it counts as changed.
async fn changed<K: Followed>(
    cx: &Context<'_>,
    check: Result<()>,
    filter: ChangeFilter,
    after: Option<String>,
) -> async_graphql::Result<impl Stream<Item = Item<Changed<K>>> + use<K>> {
    let ask = || {
        check?;
        Ok(Asked { topic: Topic::Things(filter.clone()), after })
    };
    let made = deliver(cx, ask, async |reads, snapshot, entry, cursor| {
        let moved = match &entry.what {
            Content::Event(event) => filter.moved(event),
            _ => None,
        };
        let Some(Happened { mut change, organization, about, mut node, event }) =
            happened(reads, snapshot, entry, moved.map(|id| (K::KIND, id))).await?
        else {
            return Ok(None);
        };
        let id = about.map(|(_, id)| id);
        if let (Some(portfolio), Some(property)) = (filter.portfolio, id) {
            match in_portfolio(snapshot, organization, portfolio, PropertyId(property)).await? {
                Some(true) => {}
                Some(false) if moved.is_some() => (change, node) = (ChangeState::Gone, None),
                _ => return Ok(None),
            }
        }
        let object = node.and_then(|node| node.as_object::<K::Object>());
        Ok(Some(Changed { cursor, change, organization_id: organization, id, object, event }))
    });
    made.await.map(none_or_one)
}

/// The kinds whose changes are changes of a case.
const CASES: &[&str] = &[case::KIND, case_link::KIND, case_note::KIND, case_question::KIND, history::KIND];
/// The kinds of what waits in a queue, and the queue itself.
const WAITING: &[&str] = &[case::KIND, case_question::KIND, intent::KIND, work_item::KIND, history::KIND];

#[derive(Default)]
pub struct LiveSubscription;

impl Root for LiveSubscription {
    const PLANS: &'static [Plan] = &[
        Plan::named("property_changed", &[property::KIND, portfolio::KIND, history::KIND]).across(),
        Plan::named("portfolio_changed", &[portfolio::KIND, history::KIND]).across(),
        Plan::named("case_changed", CASES).across(),
        Plan::named("intent_changed", &[intent::KIND, history::KIND]).across(),
        Plan::named("work_item_changed", WAITING).across(),
        Plan::named("events", entities::NAMES).across(),
        Plan::named("operation_changed", &[operation::KIND]),
    ];
}

#[Subscription(name = "Subscription")]
impl LiveSubscription {
    /// Each change of a property that the subscriber may see, in order; `after` goes on from a cursor, without losing any.
    async fn property_changed(
        &self,
        cx: &Context<'_>,
        filter: Option<PropertyChangeFilter>,
        after: Option<String>,
    ) -> async_graphql::Result<impl Stream<Item = async_graphql::Result<Changed<property::Model>>>> {
        let filter = filter.unwrap_or_default();
        changed(cx, input::validate_at("filter", Some(&filter)), filter.into(), after).await
    }

    /// Each change of a portfolio that the subscriber may see, in order.
    async fn portfolio_changed(
        &self,
        cx: &Context<'_>,
        filter: Option<PortfolioChangeFilter>,
        after: Option<String>,
    ) -> async_graphql::Result<impl Stream<Item = async_graphql::Result<Changed<portfolio::Model>>>> {
        let filter = filter.unwrap_or_default();
        changed(cx, input::validate_at("filter", Some(&filter)), filter.into(), after).await
    }

    /// Each change of a case that the subscriber may see, and of its notes, questions and links, in order; `after` goes on from a
    /// cursor, without losing any.
    async fn case_changed(
        &self,
        cx: &Context<'_>,
        filter: Option<CaseChangeFilter>,
        after: Option<String>,
    ) -> async_graphql::Result<impl Stream<Item = async_graphql::Result<Changed<case::Model>>>> {
        let filter = filter.unwrap_or_default();
        changed(cx, input::validate_at("filter", Some(&filter)), filter.into(), after).await
    }

    /// Each change of an intent that the subscriber may see, in order.
    async fn intent_changed(
        &self,
        cx: &Context<'_>,
        filter: Option<IntentChangeFilter>,
        after: Option<String>,
    ) -> async_graphql::Result<impl Stream<Item = async_graphql::Result<Changed<intent::Model>>>> {
        let filter = filter.unwrap_or_default();
        changed(cx, input::validate_at("filter", Some(&filter)), filter.into(), after).await
    }

    /// Each change of the acting desk's queue, in order: an item that is new, another than before, or gone.
    async fn work_item_changed(
        &self,
        cx: &Context<'_>,
        filter: Option<WorkItemChangeFilter>,
        after: Option<String>,
    ) -> async_graphql::Result<impl Stream<Item = async_graphql::Result<WorkItemChanged>>> {
        let filter = filter.unwrap_or_default();
        let ask = || {
            input::validate_at("filter", Some(&filter))?;
            Ok(Asked { topic: Topic::Things(filter.clone().into()), after })
        };
        let made = deliver(cx, ask, async |reads, snapshot, entry, cursor| {
            let Some(Happened { change, organization, about, event, .. }) = happened(reads, snapshot, entry, None).await? else {
                return Ok(None);
            };
            let Some((_, thing)) = about else {
                let (work_item_id, work_item) = (None, None);
                return Ok(Some(WorkItemChanged {
                    cursor,
                    change,
                    organization_id: organization,
                    work_item_id,
                    work_item,
                    event,
                }));
            };
            let id = work_item::id_of(&snapshot.tx, snapshot.actor.organization, organization, thing).await?;
            let seen = work_item::by_id(snapshot.actor.organization, id).filter(snapshot.filter(work_item::KIND)?);
            let work_item = seen.one(&snapshot.tx).await?;
            let change = if work_item.is_some() { ChangeState::Changed } else { ChangeState::Gone };
            let work_item_id = Some(ID(id.to_string()));
            Ok(Some(WorkItemChanged { cursor, change, organization_id: organization, work_item_id, work_item, event }))
        });
        made.await.map(none_or_one)
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
            Ok(Asked { topic: Topic::Things(filter.clone().into()), after })
        };
        let made = deliver(cx, ask, async |reads, snapshot, entry, cursor| {
            let Some(Happened { change, organization, about, node, event }) = happened(reads, snapshot, entry, None).await?
            else {
                return Ok(None);
            };
            if let (Some(portfolio), Content::Event(event)) = (portfolio, &entry.what) {
                let concerned = match event.resource_kind.as_str() {
                    portfolio::KIND => event.resource_id == portfolio.0,
                    property::KIND => {
                        in_portfolio(snapshot, organization, portfolio, PropertyId(event.resource_id)).await? == Some(true)
                    }
                    _ => match referred(event) {
                        Some(property) => {
                            in_portfolio(snapshot, organization, portfolio, PropertyId(property)).await? == Some(true)
                        }
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
        made.await.map(none_or_one)
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
            let operation = kind::page::one::<operation::Model>(&*snapshot, snapshot.actor.organization, id).await?;
            *state.lock().unwrap_or_else(PoisonError::into_inner) = Some(operation.state);
            Ok(Some(operation))
        };
        let found: Result<_> = found.await;
        Ok(none_or_one(found?))
    }
}
