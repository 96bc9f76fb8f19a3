//! Relay's object identification. Ids are unique across kinds, so a bare id is enough.

use async_graphql::{Context, ID, Object};
use entities::{
    NAMES,
    node::{self, Node},
};
use kind::{Plan, Root};
use schema::{Code, Error, Nullable, Result, nullable, snapshot};
use uuid::Uuid;

#[derive(Default)]
pub struct NodeQuery;

impl Root for NodeQuery {
    const PLANS: &'static [Plan] = &[Plan::named("node", NAMES), Plan::named("nodes", NAMES)];
}

#[Object]
impl NodeQuery {
    /// Anything of the acting organization, by its id.
    async fn node(&self, cx: &Context<'_>, id: ID) -> Nullable<Node> {
        nullable(async {
            let snapshot = snapshot(cx).await?;
            let id = parse(&id)?;
            let node = node::find_any(&*snapshot, &[id]).await?.remove(&id);
            Ok(Some(node.ok_or_else(|| Error::new(Code::NOT_FOUND))?))
        })
        .await
    }

    /// Many at once, at most 100, in the order of the ids; null where there is none to see.
    async fn nodes(&self, cx: &Context<'_>, ids: Vec<ID>) -> Nullable<Vec<Option<Node>>> {
        nullable(async {
            if ids.len() > 100 {
                return Err(Error::new(Code::INVALID_INPUT).field("ids", "TOO_MANY", "at most 100 at once"));
            }
            let snapshot = snapshot(cx).await?;
            let ids = ids.iter().map(parse).collect::<Result<Vec<Uuid>>>()?;
            let found = node::find_any(&*snapshot, &ids).await?;
            Ok(Some(ids.iter().map(|id| found.get(id).cloned()).collect()))
        })
        .await
    }
}

fn parse(id: &ID) -> Result<Uuid> {
    id.parse().map_err(|_| Error::new(Code::INVALID_INPUT).field("id", "WRONG_TYPE", "is not a UUID"))
}
