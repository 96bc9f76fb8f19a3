use async_graphql::{Context, Object};
use entities::viewer::Viewer;
use schema::{Reads, Result, Scope};
use std::sync::Arc;

#[derive(Default)]
pub struct ViewerQuery;

impl kind::Root for ViewerQuery {
    const PLANS: &'static [kind::Plan] = &[];
}

#[Object]
impl ViewerQuery {
    /// Who am I, where may I act, as what. Needs no acting organization.
    async fn viewer(&self, cx: &Context<'_>) -> async_graphql::Result<Viewer> {
        Ok(viewer(cx.data::<Arc<Reads>>()?).await?)
    }
}

/// The viewer, read in its own scope.
pub async fn viewer(reads: &Reads) -> Result<Viewer> {
    let _turn = reads.alone().await;
    let actor = reads.caller.actor(reads.gateway(), Scope::Principal).await?;
    entities::viewer::viewer(&schema::Context::reading(reads.gateway(), actor)).await
}
