//! Relay's object identification. Ids are unique across kinds, so a bare id is enough.

use async_graphql::{Context, ID, Object};
use entities::node::{self, Node, Wanted};
use schema::{Code, Error, Nullable, Result, Snapshot, nullable, snapshot};
use sea_orm::Condition;
use std::collections::HashMap;
use uuid::Uuid;

#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// Anything of the acting organization, by its id.
    async fn node(&self, cx: &Context<'_>, id: ID) -> Nullable<Node> {
        nullable(async {
            let snapshot = snapshot(cx).await?;
            let id = parse(&id)?;
            let node = find(&snapshot, &[id]).await?.remove(&id);
            Ok(Some(node.ok_or_else(|| Error::new(Code::NotFound))?))
        })
        .await
    }

    /// Many at once, at most 100, in the order of the ids; null where there is none to see.
    async fn nodes(&self, cx: &Context<'_>, ids: Vec<ID>) -> Nullable<Vec<Option<Node>>> {
        nullable(async {
            if ids.len() > 100 {
                return Err(Error::new(Code::InvalidInput).field("ids", "TOO_MANY", "at most 100 at once"));
            }
            let snapshot = snapshot(cx).await?;
            let ids = ids.iter().map(parse).collect::<Result<Vec<Uuid>>>()?;
            let mut found = find(&snapshot, &ids).await?;
            Ok(Some(ids.iter().map(|id| found.remove(id)).collect()))
        })
        .await
    }
}

fn parse(id: &ID) -> Result<Uuid> {
    id.parse().map_err(|_| Error::new(Code::InvalidInput).field("id", "WRONG_TYPE", "is not a UUID"))
}

/// Any kind may have it.
struct AnyKind<'a>(&'a Snapshot, &'a [Uuid]);

impl Wanted for AnyKind<'_> {
    fn ids(&self, _: &'static str) -> Vec<Uuid> {
        self.1.to_vec()
    }

    fn visible(&self, kind: &'static str) -> Result<Condition> {
        self.0.filter(kind)
    }
}

async fn find(snapshot: &Snapshot, ids: &[Uuid]) -> Result<HashMap<Uuid, Node>> {
    let found = node::find(&snapshot.tx, &[snapshot.owner()], snapshot.actor.organization, &AnyKind(snapshot, ids)).await?;
    Ok(found.into_iter().map(|((_, id), node)| (id, node)).collect())
}
