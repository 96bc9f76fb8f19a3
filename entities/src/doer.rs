//! Who did something, for which organization, and by whose leave.

use crate::{
    access_grant, delegation,
    node::{self, Node},
    organization_card::OrganizationCard,
    person::Actor,
    prelude::*,
};
use async_graphql::{ComplexObject, Context};
use kind::{Key, relation::known};
use schema::{Nullable, nullable, snapshot};

/// The actor of something that was done, with the organization that they acted for and the leave that they had.
pub struct Doer {
    pub who: PrincipalId,
    pub acting: OrganizationId,
    pub leave: Option<Key>,
}

#[ComplexObject]
impl Doer {
    /// Who did it, for which organization, and by whose leave.
    async fn actor(&self, cx: &Context<'_>) -> Nullable<Actor> {
        nullable(async {
            let Some(mut actor) = known::<Actor>(cx, self.who.0).await? else { return Ok(None) };
            if actor.organization.as_ref().is_none_or(|organization| organization.id != self.acting) {
                actor.organization = known::<OrganizationCard>(cx, self.acting.0).await?;
            }
            actor.leave = self.leave;
            Ok(Some(actor))
        })
        .await
    }
}

/// The leave by which an actor acted.
pub struct Leave(pub Option<Key>);

#[ComplexObject]
impl Leave {
    /// The grant or the delegation by which they acted, where they did not act as one of the owner's own.
    async fn on_behalf_of(&self, cx: &Context<'_>) -> Nullable<Node> {
        nullable(async {
            let Some((owner, id)) = self.0 else { return Ok(None) };
            let wanted = [(access_grant::KIND, id), (delegation::KIND, id)];
            Ok(node::find(&*snapshot(cx).await?, &[owner], &wanted).await?.into_values().next())
        })
        .await
    }
}
