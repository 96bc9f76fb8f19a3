pub mod create;
pub mod get;
pub mod update;

use async_graphql::{Context, Object};
use entities::organization::{self, Organization};
use schema::{Code, Entry, Error, OrganizationId, Reads, Workflow};
use sea_orm::QueryFilter;
use std::sync::Arc;

pub const ALL: &[Entry] = &[Entry::of::<create::Create>(), Entry::of::<update::Update>(), Entry::of::<get::Get>()];

const CHANGE: Workflow = Workflow::new("organization_change", 1);

#[derive(Default)]
pub struct OrganizationQuery;

#[Object]
impl OrganizationQuery {
    /// An organization that the acting one may see: itself.
    async fn organization(&self, cx: &Context<'_>, id: OrganizationId) -> async_graphql::Result<Option<Organization>> {
        let snapshot = cx.data::<Arc<Reads>>()?.snapshot().await?;
        let select = organization::of(id).filter(snapshot.filter(organization::KIND)?);
        let row = select.one(&snapshot.tx).await.map_err(Error::from)?;
        Ok(Some(row.ok_or_else(|| Error::new(Code::NotFound))?.into()))
    }
}
