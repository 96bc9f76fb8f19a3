pub mod create;
pub mod desks;
pub mod get;
pub mod update;

use crate::prelude::*;
use async_graphql::Object;
use entities::{
    actor,
    organization::{self, Organization},
};
use kind::{Plan, Scope};
use schema::{AccessGrantId, Nullable, nullable, snapshot};

// One entry a line, so that a new procedure adds one line.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<create::Create>(),
    Entry::of::<update::Update>(),
    Entry::of::<get::Get>(),
    Entry::of::<desks::Desks>(),
];

const CHANGE: Runs = Runs::mutation("organization_change", 1);

#[derive(Default)]
pub struct OrganizationQuery;

impl kind::Root for OrganizationQuery {
    const PLANS: &'static [Plan] = &[Plan::named("organization", &[organization::KIND])];
}

#[Object]
impl OrganizationQuery {
    /// An organization: the acting one, or one that engaged it. Its fields are the root's, about its own things, so that a cache
    /// keeps several organizations apart. Reading needs no `X-Grant-Id`: whichever grant counts lets in; `grantId` asks for one in
    /// particular.
    async fn organization(
        &self,
        cx: &async_graphql::Context<'_>,
        id: OrganizationId,
        grant_id: Option<AccessGrantId>,
    ) -> Nullable<Organization> {
        nullable(async {
            let snapshot = snapshot(cx).await?;
            if let Some(grant) = grant_id {
                actor::ensure_through(&snapshot.tx, snapshot.actor.organization, grant, id, snapshot.now).await?;
            }
            let owner = Scope(Some(id)).owner(&*snapshot).await?;
            kind::page::one::<organization::Model>(&*snapshot, owner, id).await.map(Some)
        })
        .await
    }
}
