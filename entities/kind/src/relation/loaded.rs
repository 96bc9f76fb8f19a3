//! Relations whose rows are loaded, many parents at once.

use super::{Plan, Relation, field, is, value};
use crate::{
    ColumnOf, Key, Kind, among,
    one_pass::{lists, objects},
    row,
};
use async_graphql::{
    Context, ServerResult, Value,
    dataloader::Loader,
    registry::{MetaField, Registry},
};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use schema::{Error, Nullable, OrganizationId, Reading, Result, Snapshot, Tx, load_one, nullable, snapshot};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder};
use std::{
    collections::{HashMap, HashSet},
    hash::{Hash, Hasher},
    marker::PhantomData,
    sync::{Arc, Weak},
};
use uuid::Uuid;

/// The most keys in one statement.
const AT_ONCE: usize = 1_000;

/// A relation to one row, which a column of the parent names.
pub struct One<P, C: Kind> {
    pub field: &'static str,
    pub about: &'static str,
    pub plans: &'static [Plan],
    pub key: fn(&P) -> Option<Key>,
    pub child: PhantomData<fn() -> C>,
}

/// Loads rows of a kind by their ids, of those that the reader may see.
struct ById<C>(Weak<Snapshot>, PhantomData<fn() -> C>);

impl<C> ById<C> {
    fn of(snapshot: Weak<Snapshot>) -> Self {
        ById(snapshot, PhantomData)
    }
}

pub(super) fn open(snapshot: &Weak<Snapshot>) -> Result<Arc<Snapshot>> {
    snapshot.upgrade().ok_or_else(|| Error::internal("the query is over"))
}

/// Rows of a kind by their places, of those that the reader may see.
#[expect(clippy::disallowed_methods, reason = "begins with the organizations of its keys")]
pub(crate) async fn by_id<C: Kind>(reading: &dyn Reading, keys: &[Key]) -> Result<HashMap<Key, C::Object>> {
    let others: HashSet<OrganizationId> =
        keys.iter().map(|(owner, _)| *owner).filter(|owner| *owner != reading.acting()).collect();
    if !others.is_empty() {
        reading.reach(&Vec::from_iter(others)).await?;
    }
    let tx = reading.tx().await?;
    let ids: Vec<Uuid> = keys.iter().map(|(_, id)| *id).collect();
    let select =
        C::Entity::find().filter(among(tx, C::ORGANIZATION, keys)).filter(C::ID.eq_any(ids)).filter(reading.filter(C::KIND)?);
    let rows = row::all::<C>(tx, select).await?;
    Ok(rows.into_iter().map(|row| ((row.organization(), row.id()), row.into())).collect())
}

#[async_trait]
impl<C: Kind> Loader<Key> for ById<C> {
    type Value = C::Object;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[Key]) -> Result<HashMap<Key, C::Object>, Arc<Error>> {
        let load = async { by_id::<C>(&*open(&self.0)?, keys).await };
        load.await.map_err(Arc::new)
    }
}

#[async_trait]
impl<P: Sync, C: Kind> Relation<P> for One<P, C> {
    fn fields(&self, registry: &mut Registry) -> Vec<(String, MetaField)> {
        vec![(self.field.to_owned(), field::<Nullable<C::Object>>(registry, self.field, self.about))]
    }

    fn plans(&self) -> Vec<Plan> {
        self.plans.to_vec()
    }

    async fn resolve(&'static self, of: &P, cx: &Context<'_>) -> ServerResult<Option<Value>> {
        if !is(cx, self.field) {
            return Ok(None);
        }
        let found: Nullable<C::Object> = nullable(async {
            let Some(key) = (self.key)(of) else { return Ok(None) };
            let loader = snapshot(cx).await?.loader(ById::<C>::of);
            load_one(&loader, key).await
        })
        .await;
        value(cx, &found).await.map(Some)
    }

    fn all<'a>(&'static self, cx: &'a Context<'a>, of: &'a [&'a P]) -> Option<BoxFuture<'a, Option<Vec<Value>>>> {
        is(cx, self.field).then(|| -> BoxFuture<'a, _> {
            let keys: Vec<Option<Key>> = of.iter().map(|row| (self.key)(row)).collect();
            Box::pin(async move {
                let wanted: HashSet<Key> = keys.iter().flatten().copied().collect();
                if wanted.is_empty() {
                    return Some(vec![Value::Null; keys.len()]);
                }
                let snapshot = snapshot(cx).await.ok()?;
                let mut found = HashMap::with_capacity(wanted.len());
                for some in Vec::from_iter(wanted).chunks(AT_ONCE) {
                    found.extend(by_id::<C>(&*snapshot, some).await.ok()?);
                }
                let each: Vec<Option<&C::Object>> = keys.iter().map(|key| found.get(key.as_ref()?)).collect();
                let rows: Vec<&C::Object> = each.iter().copied().flatten().collect();
                let mut made = objects(&cx.with_selection_set(&cx.item.node.selection_set), &rows).await?.into_iter();
                each.iter().map(|row| if row.is_some() { made.next() } else { Some(Value::Null) }).collect()
            })
        })
    }
}

/// Finds the rows that hang on these keys, each with its key, in the order of the relation.
pub type Rows<C> = for<'a> fn(&'a Tx, &'a [Key], Condition) -> BoxFuture<'a, Result<Vec<(Key, C)>>>;

/// A relation to the rows that hang on the parent.
pub struct Many<P, C: Kind> {
    pub field: &'static str,
    pub about: &'static str,
    pub plans: &'static [Plan],
    pub key: fn(&P) -> Key,
    pub rows: Rows<C>,
    pub by: Option<By>,
}

/// An argument that narrows a relation's rows.
pub struct By {
    pub declare: fn(&mut Registry, &mut MetaField),
    /// The argument's text, by which equal ones are told, with its condition. None: it is not given.
    pub read: fn(&Context<'_>) -> ServerResult<Narrowed>,
}

/// An argument's text and condition, if it is given.
pub type Narrowed = Option<(String, Condition)>;

impl<P, C: Kind> Many<P, C> {
    fn narrowed(&self, cx: &Context<'_>) -> ServerResult<Narrowed> {
        self.by.as_ref().map_or(Ok(None), |by| (by.read)(cx))
    }
}

/// The rows that name one of the parents in a column, in the order of another column.
#[expect(clippy::disallowed_methods, reason = "begins with the organizations of its keys")]
pub async fn children<C: Kind>(
    tx: &Tx,
    keys: &[Key],
    which: Condition,
    parent: (ColumnOf<C>, fn(&C) -> Uuid),
    order: ColumnOf<C>,
) -> Result<Vec<(Key, C)>> {
    let ids: Vec<Uuid> = keys.iter().map(|(_, id)| *id).collect();
    let select = C::Entity::find()
        .filter(among(tx, C::ORGANIZATION, keys))
        .filter(parent.0.eq_any(ids))
        .filter(which)
        .order_by_asc(order)
        .order_by_asc(C::ID);
    let rows = row::all::<C>(tx, select).await?;
    Ok(rows.into_iter().map(|row| ((row.organization(), (parent.1)(&row)), row)).collect())
}

/// A parent of one relation, as one field asks about it.
struct Parent<P: 'static, C: Kind> {
    relation: &'static Many<P, C>,
    key: Key,
    narrowed: Narrowed,
}

impl<P, C: Kind> Parent<P, C> {
    /// Whether one statement answers both.
    fn alike(&self, other: &Self) -> bool {
        let text = |parent: &Self| parent.narrowed.as_ref().map(|(text, _)| text.clone());
        std::ptr::eq(self.relation, other.relation) && text(self) == text(other)
    }
}

impl<P, C: Kind> Clone for Parent<P, C> {
    fn clone(&self) -> Self {
        Parent { relation: self.relation, key: self.key, narrowed: self.narrowed.clone() }
    }
}

impl<P, C: Kind> PartialEq for Parent<P, C> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.alike(other)
    }
}

impl<P, C: Kind> Eq for Parent<P, C> {}

impl<P, C: Kind> Hash for Parent<P, C> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

struct Children<P, C>(Weak<Snapshot>, PhantomData<fn() -> (P, C)>);

impl<P, C> Children<P, C> {
    fn of(snapshot: Weak<Snapshot>) -> Self {
        Children(snapshot, PhantomData)
    }
}

async fn of_keys<P, C: Kind>(
    relation: &Many<P, C>,
    snapshot: &Snapshot,
    keys: &[Key],
    narrowed: &Narrowed,
) -> Result<HashMap<Key, Vec<C::Object>>> {
    let mut found: HashMap<Key, Vec<C::Object>> = keys.iter().map(|key| (*key, Vec::new())).collect();
    let which = narrowed.as_ref().map(|(_, condition)| condition.clone());
    let which = Condition::all().add(snapshot.filter(C::KIND)?).add_option(which);
    for (key, row) in (relation.rows)(&snapshot.tx, keys, which).await? {
        found.entry(key).or_default().push(row.into());
    }
    Ok(found)
}

#[async_trait]
impl<P: 'static, C: Kind> Loader<Parent<P, C>> for Children<P, C> {
    type Value = Vec<C::Object>;
    type Error = Arc<Error>;

    async fn load(&self, parents: &[Parent<P, C>]) -> Result<HashMap<Parent<P, C>, Vec<C::Object>>, Arc<Error>> {
        let load = async {
            let snapshot = open(&self.0)?;
            let mut left = parents.to_vec();
            let mut found = HashMap::new();
            // Mostly all parents are of one relation, and one round is enough.
            while let Some(first) = left.first().cloned() {
                let (these, others): (Vec<_>, Vec<_>) = left.into_iter().partition(|parent| parent.alike(&first));
                let keys: Vec<Key> = these.iter().map(|parent| parent.key).collect();
                let rows = of_keys(first.relation, &snapshot, &keys, &first.narrowed).await?;
                found.extend(rows.into_iter().map(|(key, rows)| (Parent { key, ..first.clone() }, rows)));
                left = others;
            }
            Ok(found)
        };
        load.await.map_err(Arc::new)
    }
}

#[async_trait]
impl<P: Sync + 'static, C: Kind> Relation<P> for Many<P, C> {
    fn fields(&self, registry: &mut Registry) -> Vec<(String, MetaField)> {
        let mut made = field::<Nullable<Vec<C::Object>>>(registry, self.field, self.about);
        if let Some(by) = &self.by {
            (by.declare)(registry, &mut made);
        }
        vec![(self.field.to_owned(), made)]
    }

    fn plans(&self) -> Vec<Plan> {
        self.plans.to_vec()
    }

    async fn resolve(&'static self, of: &P, cx: &Context<'_>) -> ServerResult<Option<Value>> {
        if !is(cx, self.field) {
            return Ok(None);
        }
        let narrowed = self.narrowed(cx).map_err(|error| cx.set_error_path(error))?;
        let found: Nullable<Vec<C::Object>> = nullable(async {
            let loader = snapshot(cx).await?.loader(Children::<P, C>::of);
            load_one(&loader, Parent { relation: self, key: (self.key)(of), narrowed }).await
        })
        .await;
        value(cx, &found).await.map(Some)
    }

    fn all<'a>(&'static self, cx: &'a Context<'a>, of: &'a [&'a P]) -> Option<BoxFuture<'a, Option<Vec<Value>>>> {
        is(cx, self.field).then(|| -> BoxFuture<'a, _> {
            let keys: Vec<Key> = of.iter().map(|row| (self.key)(row)).collect();
            Box::pin(async move {
                let wanted: HashSet<Key> = keys.iter().copied().collect();
                let narrowed = self.narrowed(cx).ok()?;
                let snapshot = snapshot(cx).await.ok()?;
                let mut found = HashMap::with_capacity(wanted.len());
                for some in Vec::from_iter(wanted).chunks(AT_ONCE) {
                    found.extend(of_keys(self, &snapshot, some, &narrowed).await.ok()?);
                }
                let all: Vec<&[C::Object]> = keys.iter().map(|key| found.get(key).map_or(&[][..], Vec::as_slice)).collect();
                lists(&cx.with_selection_set(&cx.item.node.selection_set), &all).await
            })
        })
    }
}
