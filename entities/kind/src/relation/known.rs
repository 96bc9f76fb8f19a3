//! Relations to those who are known by an id alone, such as people: whoever asks sees as much of them as the policies say.

use super::{Plan, Relation, field, is, loaded::open, value};
use crate::one_pass::{OnePass, objects};
use async_graphql::{
    Context, ServerResult, Value,
    dataloader::Loader,
    registry::{MetaField, Registry},
};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use schema::{Error, Nullable, Reading, Result, Snapshot, load_one, nullable, snapshot};
use std::{
    collections::{HashMap, HashSet},
    marker::PhantomData,
    sync::{Arc, Weak},
};
use uuid::Uuid;

/// Something that is known by its id, whoever it belongs to.
#[async_trait]
pub trait Known: OnePass + Clone + Send + 'static {
    /// The kind whose filter says which of them the reader may know.
    const KIND: &'static str;

    /// Those of these ids that the reader may know.
    async fn known(reading: &dyn Reading, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Self>>;
}

/// A relation to one of them, which a column of the parent names.
pub struct ById<P, T> {
    pub field: &'static str,
    pub about: &'static str,
    pub plans: &'static [Plan],
    pub id: fn(&P) -> Option<Uuid>,
    pub known: PhantomData<fn() -> T>,
}

struct Knowing<T>(Weak<Snapshot>, PhantomData<fn() -> T>);

#[async_trait]
impl<T: Known> Loader<Uuid> for Knowing<T> {
    type Value = T;
    type Error = Arc<Error>;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, T>, Arc<Error>> {
        let load = async { T::known(&*open(&self.0)?, ids.to_vec()).await };
        load.await.map_err(Arc::new)
    }
}

/// One of them, loaded together with all others that the query asks for.
pub async fn known<T: Known>(cx: &Context<'_>, id: Uuid) -> Result<Option<T>> {
    let loader = snapshot(cx).await?.loader(|snapshot| Knowing::<T>(snapshot, PhantomData));
    load_one(&loader, id).await
}

#[async_trait]
impl<P: Sync, T: Known> Relation<P> for ById<P, T> {
    fn fields(&self, registry: &mut Registry) -> Vec<(String, MetaField)> {
        vec![(self.field.to_owned(), field::<Nullable<T>>(registry, self.field, self.about))]
    }

    fn plans(&self) -> Vec<Plan> {
        self.plans.to_vec()
    }

    async fn resolve(&'static self, of: &P, cx: &Context<'_>) -> ServerResult<Option<Value>> {
        if !is(cx, self.field) {
            return Ok(None);
        }
        let found: Nullable<T> = nullable(async {
            match (self.id)(of) {
                Some(id) => known(cx, id).await,
                None => Ok(None),
            }
        })
        .await;
        value(cx, &found).await.map(Some)
    }

    fn all<'a>(&'static self, cx: &'a Context<'a>, of: &'a [&'a P]) -> Option<BoxFuture<'a, Option<Vec<Value>>>> {
        is(cx, self.field).then(|| -> BoxFuture<'a, _> {
            let ids: Vec<Option<Uuid>> = of.iter().map(|row| (self.id)(row)).collect();
            Box::pin(async move {
                let wanted: HashSet<Uuid> = ids.iter().flatten().copied().collect();
                if wanted.is_empty() {
                    return Some(vec![Value::Null; ids.len()]);
                }
                let snapshot = snapshot(cx).await.ok()?;
                let found = T::known(&*snapshot, wanted.into_iter().collect()).await.ok()?;
                let each: Vec<Option<&T>> = ids.iter().map(|id| found.get(id.as_ref()?)).collect();
                let rows: Vec<&T> = each.iter().copied().flatten().collect();
                let mut made = objects(&cx.with_selection_set(&cx.item.node.selection_set), &rows).await?.into_iter();
                each.iter().map(|row| if row.is_some() { made.next() } else { Some(Value::Null) }).collect()
            })
        })
    }
}
