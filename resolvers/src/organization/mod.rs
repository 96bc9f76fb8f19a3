pub mod create;
pub mod get;
pub mod update;

use crate::prelude::*;
use async_graphql::Object;
use entities::organization::{self, Organization};
use kind::Plan;
use schema::{Nullable, nullable, snapshot};
use sea_orm::QueryFilter;

// One entry a line, so that a new procedure adds one line.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<create::Create>(),
    Entry::of::<update::Update>(),
    Entry::of::<get::Get>(),
];

const CHANGE: Runs = Runs::mutation("organization_change", 1);

#[derive(Default)]
pub struct OrganizationQuery;

impl kind::Root for OrganizationQuery {
    const PLANS: &'static [Plan] = &[Plan::named("organization", &[organization::KIND])];
}

#[Object]
impl OrganizationQuery {
    /// An organization that the acting one may see: itself.
    async fn organization(&self, cx: &async_graphql::Context<'_>, id: OrganizationId) -> Nullable<Organization> {
        nullable(async {
            let snapshot = snapshot(cx).await?;
            let row = organization::of(id).filter(snapshot.filter(organization::KIND)?).one(&snapshot.tx).await?;
            Ok(Some(row.ok_or_else(|| Error::new(Code::NOT_FOUND))?.into()))
        })
        .await
    }
}
