//! One GraphQL query is one read-only transaction: every kind in its selection is planned first,
//! then the transaction opens, and all fields read from that one snapshot.

use crate::{
    AccessGrantId, Actor, Carried, Code, Decide, Error, Filter, Gateway, Judge, Mode, OrganizationId, PrincipalId, PrincipalKind,
    Result, Scope, Sight, Tx,
};
use async_graphql::{
    dataloader::{DataLoader, Loader},
    runtime::Timer,
};
use chrono::{DateTime, Utc};
use futures_util::{
    future::BoxFuture,
    task::{FutureObj, Spawn, SpawnError},
};
use sea_orm::Condition;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    any::{Any, TypeId},
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::watch;
use tracing::Instrument;

/// The principal behind a request, with the organization and the grant that it names, before rows are looked at.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    pub principal: PrincipalId,
    pub kind: PrincipalKind,
    pub organization: Option<OrganizationId>,
    /// The grant of another organization, to work in it.
    pub grant: Option<AccessGrantId>,
    /// The client that the token was given to, by its hash.
    pub client: Option<u64>,
    /// The token's own id, by its hash.
    pub token: Option<u64>,
    /// The time when the caller's token ends.
    pub until: DateTime<Utc>,
}

impl Caller {
    /// The actor that the caller is in the acting organization, as the rows say now.
    pub async fn actor_now(&self, gateway: &Gateway) -> Result<Actor> {
        let organization = self.organization.ok_or_else(|| Error::new(Code::ORGANIZATION_REQUIRED))?;
        gateway.identity.actor(self.principal, organization, self.grant).await
    }

    /// The actor as it was within the last second, for reads and for the first decision on a mutation.
    pub async fn actor(&self, gateway: &Gateway, scope: Scope) -> Result<Actor> {
        match scope {
            Scope::Principal => Ok(Actor::own_scope(self.principal, self.kind)),
            Scope::Organization => {
                let organization = self.organization.ok_or_else(|| Error::new(Code::ORGANIZATION_REQUIRED))?;
                gateway.identity.recent(self.principal, organization, self.grant).await
            }
        }
    }
}

/// The kinds that a document reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planned {
    pub kinds: BTreeSet<&'static str>,
    /// Whether the document also reads rows of organizations that engaged the acting one.
    pub across: bool,
    /// The kinds and actions that it asks leave for.
    pub judged: BTreeSet<(&'static str, &'static str)>,
}

/// The filters under which the rows of each planned kind may be seen. A filter's condition is written when a field first needs it,
/// so that `node` does not pay for every kind that there is.
pub struct Filters {
    kinds: BTreeMap<&'static str, KindFilter>,
    judges: Judges,
    /// The judges of the same reader through a grant that allows to act. None: it works for nobody.
    acting: Option<Judges>,
    across: bool,
}

type Judges = BTreeMap<(&'static str, &'static str), Box<dyn Judge>>;

struct KindFilter {
    filter: Box<dyn Filter>,
    /// The condition where only the acting organization's rows can be met, and where others' can.
    own: OnceLock<Condition>,
    across: OnceLock<Condition>,
}

impl Filters {
    /// A hash of all the filters. Equal ones see the same rows.
    pub fn identity(&self) -> [u8; 32] {
        let hash = Sha256::new_with_prefix([u8::from(self.across)]);
        let hash = self.kinds.values().fold(hash, |hash, kind| hash.chain_update(kind.filter.identity()));
        let judges = self.judges.values().chain(self.acting.iter().flat_map(BTreeMap::values));
        judges.fold(hash, |hash, judge| hash.chain_update(judge.identity())).finalize().into()
    }

    /// A kind that was not planned is an error, never "all rows".
    fn condition(&self, kind: &'static str, sight: Sight) -> Result<Condition> {
        let planned = self.kinds.get(kind);
        let planned = planned.ok_or_else(|| Error::internal(format!("the kind {kind} was not planned for this query")))?;
        let sight = if self.across { Sight::Across } else { sight };
        let written = if sight == Sight::Own { &planned.own } else { &planned.across };
        match written.get() {
            Some(condition) => Ok(condition.clone()),
            None => {
                let condition = planned.filter.condition(sight)?;
                Ok(written.get_or_init(|| condition).clone())
            }
        }
    }
}

impl Planned {
    pub async fn filters(&self, decide: &dyn Decide, actor: &Actor) -> Result<Filters> {
        let kinds: Vec<_> = self.kinds.iter().copied().collect();
        let filters = decide.filters(actor, "read", &kinds).await?.into_iter();
        let filters = filters.map(|filter| KindFilter { filter, own: OnceLock::new(), across: OnceLock::new() });
        let works = !self.judged.is_empty() && actor.looks_after();
        let acting = if works { Some(self.judges(decide, &actor.acting()).await?) } else { None };
        let seeing = Actor { through: None, ..actor.clone() };
        Ok(Filters {
            kinds: kinds.into_iter().zip(filters).collect(),
            judges: self.judges(decide, &seeing).await?,
            acting,
            across: self.across || actor.through.is_some(),
        })
    }

    async fn judges(&self, decide: &dyn Decide, actor: &Actor) -> Result<Judges> {
        let asked: Vec<_> = self.judged.iter().copied().collect();
        let judges = if asked.is_empty() { Vec::new() } else { decide.judges(actor, &asked).await? };
        Ok(asked.into_iter().zip(judges).collect())
    }
}

pub struct Reads {
    gateway: Arc<Gateway>,
    pub caller: Caller,
    kinds: Planned,
    prepared: Option<(Actor, Arc<Filters>)>,
    /// The snapshot, opened once or refused once: fifty fields do not ask a silent PDP fifty times.
    open: tokio::sync::Mutex<Option<Result<Arc<Snapshot>, Arc<Error>>>>,
    alone: tokio::sync::Mutex<()>,
    /// The bytes that the answer may still grow by.
    room: AtomicI64,
    /// Dropped with this, which ends the batches that are still loaded.
    asking: watch::Sender<()>,
}

/// The open transaction of a query, with the filter of each kind that it may read.
pub struct Snapshot {
    pub actor: Actor,
    pub tx: Tx,
    pub now: DateTime<Utc>,
    filters: Arc<Filters>,
    loaders: Mutex<HashMap<TypeId, Box<dyn Any + Send + Sync>>>,
    /// Closed once nobody waits for the query any more.
    asked: watch::Receiver<()>,
}

impl Reads {
    pub fn new(gateway: &Arc<Gateway>, caller: Caller, kinds: Planned) -> Self {
        Reads {
            gateway: Arc::clone(gateway),
            caller,
            kinds,
            prepared: None,
            open: tokio::sync::Mutex::new(None),
            alone: tokio::sync::Mutex::new(()),
            room: AtomicI64::new(gateway.limits.size.into()),
            asking: watch::Sender::new(()),
        }
    }

    /// The reads of an actor that was found before, with the filters that were planned for it.
    pub fn prepared(gateway: &Arc<Gateway>, caller: Caller, actor: Actor, filters: Arc<Filters>, kinds: Planned) -> Self {
        Reads { prepared: Some((actor, filters)), ..Reads::new(gateway, caller, kinds) }
    }

    pub async fn actor(&self) -> Result<Actor> {
        match &self.prepared {
            Some((actor, _)) => Ok(actor.clone()),
            None => self.caller.actor(&self.gateway, Scope::Organization).await,
        }
    }

    /// Whether the answer may grow by so many bytes. Once it may not, it fails as a whole.
    pub fn grow(&self, bytes: i64) -> bool {
        self.room.fetch_sub(bytes, Relaxed) >= bytes
    }

    /// The bytes of the answer so far.
    pub fn bytes(&self) -> usize {
        usize::try_from(i64::from(self.gateway.limits.size) - self.room.load(Relaxed)).unwrap_or_default()
    }

    /// Whether the answer is larger than it may be.
    pub fn overfull(&self) -> bool {
        self.room.load(Relaxed) < 0
    }

    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    pub async fn snapshot(&self) -> Result<Arc<Snapshot>> {
        let mut open = self.open.lock().await;
        if open.is_none() {
            *open = Some(self.begin().await.map_err(Arc::new));
        }
        match &*open {
            Some(Ok(snapshot)) => Ok(Arc::clone(snapshot)),
            Some(Err(error)) => Err(error.again()),
            None => unreachable!("it was opened or refused above"),
        }
    }

    async fn begin(&self) -> Result<Arc<Snapshot>> {
        let actor = self.actor().await?;
        let filters = match &self.prepared {
            Some((_, filters)) => Arc::clone(filters),
            None => Arc::new(self.kinds.filters(&*self.gateway.decide, &actor).await?),
        };
        self.opened(actor, filters).await
    }

    /// Begins a transaction for an actor, whose filters were planned. It is for this query alone.
    pub async fn opened(&self, actor: Actor, filters: Arc<Filters>) -> Result<Arc<Snapshot>> {
        let now = self.gateway.clock.now();
        let tx = Tx::begin(&self.gateway.lanes, &actor.reach(now), Mode::Read).await?;
        // The rows lie in memory beside the answer that is made of them.
        let tx = tx.reads_at_most(i64::from(self.gateway.limits.size) * 2 / 3);
        Ok(Arc::new(Snapshot { actor, tx, now, filters, loaders: Mutex::default(), asked: self.asking.subscribe() }))
    }

    /// A lock for fields that read in the principal's own scope. They read one after the other, so that many of them in a
    /// document take one connection.
    pub async fn alone(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.alone.lock().await
    }

    /// Closes the snapshot, so that the next read sees a new one: after a mutation, and before anything is serialized.
    pub async fn close(&self) {
        self.open.lock().await.take();
    }
}

impl Snapshot {
    /// The owner of the data that the query is about, where a field does not say it.
    pub fn owner(&self) -> OrganizationId {
        self.actor.owner()
    }

    /// The condition under which rows of this kind may be seen.
    pub fn filter(&self, kind: &'static str) -> Result<Condition> {
        self.filters.condition(kind, self.tx.sight())
    }

    /// Whether the reader may do this with a resource `{"id": …, "attr": {…}}` of a kind, by the policies; `acting`, through a grant
    /// that allows to act.
    pub fn may(&self, kind: &'static str, action: &'static str, resource: &Value, acting: bool) -> Result<bool> {
        let judges = self.filters.acting.as_ref().filter(|_| acting).unwrap_or(&self.filters.judges);
        judges
            .get(&(kind, action))
            .ok_or_else(|| Error::internal(format!("{action} {kind} was not planned for this query")))?
            .allows(resource, self.now)
    }

    /// The loader of this type for this query: one statement for all fields that ask at once.
    pub fn loader<L: Any + Send + Sync>(self: &Arc<Self>, make: impl FnOnce(Weak<Snapshot>) -> L) -> Arc<DataLoader<L>> {
        let mut loaders = self.loaders.lock().unwrap_or_else(PoisonError::into_inner);
        let loader = loaders.entry(TypeId::of::<L>()).or_insert_with(|| {
            let loader = DataLoader::new(make(Arc::downgrade(self)), SameTrace(self.asked.clone()), Yielding);
            Box::new(Arc::new(loader))
        });
        match loader.downcast_ref::<Arc<DataLoader<L>>>() {
            Some(loader) => Arc::clone(loader),
            None => unreachable!("loaders are kept by their own type"),
        }
    }
}

/// A nullable field's answer. A failure makes this field null and no other. (A `Result` outside the `Option` would take the whole
/// answer with it.)
pub type Nullable<T> = Option<async_graphql::Result<T>>;

/// Resolves a nullable field.
pub async fn nullable<T>(work: impl Future<Output = Result<Option<T>>>) -> Nullable<T> {
    work.await
        .map_err(|error| {
            error.trace();
            error.into()
        })
        .transpose()
}

/// The snapshot of the query that a field belongs to.
pub async fn snapshot(cx: &async_graphql::Context<'_>) -> Result<Arc<Snapshot>> {
    let reads = cx.data::<Arc<Reads>>().map_err(|error| Error::internal(error.message))?;
    reads.snapshot().await
}

/// Loads one value for a field. Missing and not visible are the same.
pub async fn load_one<K, L>(loader: &DataLoader<L>, key: K) -> Result<Option<L::Value>>
where
    K: std::hash::Hash + Eq + Clone + Send + Sync + 'static,
    L: Loader<K, Error = Arc<Error>>,
{
    loader.load_one(key).await.map_err(|error| error.again())
}

/// Runs a batch on its own, within the trace of the field that asked first, as long as somebody waits for the query.
struct SameTrace(watch::Receiver<()>);

impl Spawn for SameTrace {
    fn spawn_obj(&self, batch: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        let mut asked = self.0.clone();
        let batch = async move {
            tokio::select! {
                biased;
                () = batch => {}
                _ = asked.changed() => {}
            }
        };
        tokio::spawn(Carried::along(batch).in_current_span());
        Ok(())
    }
}

/// Gathers a batch by letting every field that is ready run first, instead of waiting for a clock.
struct Yielding;

impl Timer for Yielding {
    fn delay(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        })
    }
}
