//! Relay's object identification. Ids are unique across kinds, so a bare id is enough.

use async_graphql::{Context, ID, Object};
use entities::{
    NAMES,
    node::{self, Node},
    viewer::Viewer,
};
use kind::{Plan, Root};
use schema::{Code, Error, Nullable, Reads, Result, nullable, snapshot};
use std::sync::Arc;
use uuid::Uuid;

#[derive(Default)]
pub struct NodeQuery;

impl Root for NodeQuery {
    const PLANS: &'static [Plan] = &[Plan::named("node", NAMES), Plan::named("nodes", NAMES)];
}

#[Object]
impl NodeQuery {
    /// Anything of the acting organization or of one that engaged it, by its id; and the viewer.
    async fn node(&self, cx: &Context<'_>, id: ID) -> Nullable<Node> {
        nullable(async {
            let id = parse(&id)?;
            if let Some(viewer) = viewer(cx, &[id]).await? {
                return Ok(Some(viewer.into()));
            }
            let snapshot = snapshot(cx).await?;
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
            let ids = ids.iter().map(parse).collect::<Result<Vec<Uuid>>>()?;
            let viewer = viewer(cx, &ids).await?;
            let snapshot = snapshot(cx).await?;
            let mut found = node::find_any(&*snapshot, &ids).await?;
            found.extend(viewer.map(|viewer| (viewer.id.0, viewer.into())));
            Ok(Some(ids.iter().map(|id| found.get(id).cloned()).collect()))
        })
        .await
    }
}

/// The viewer, if it is one of those that are asked for.
async fn viewer(cx: &Context<'_>, ids: &[Uuid]) -> Result<Option<Viewer>> {
    let reads = cx.data::<Arc<Reads>>().map_err(|error| Error::internal(error.message))?;
    if ids.contains(&reads.caller.principal.0) { super::viewer::viewer(reads).await.map(Some) } else { Ok(None) }
}

fn parse(id: &ID) -> Result<Uuid> {
    id.parse().map_err(|_| Error::new(Code::INVALID_INPUT).field("id", "WRONG_TYPE", "is not a UUID"))
}
