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
use schema::{Nullable, PrincipalKind, nullable, snapshot};

/// The actor of something that was done, with the organization that they acted for and the leave that they had.
pub struct Doer {
    pub who: PrincipalId,
    pub kind: PrincipalKind,
    /// The name that they had then.
    pub name: Option<String>,
    /// Whose thing it was.
    pub owner: OrganizationId,
    pub acting: OrganizationId,
    pub leave: Option<Key>,
}

schema::text_enum!(
    /// As what somebody acted.
    ActedAs {
        /// As one of the owner's own.
        Member = "MEMBER",
        /// By a delegation of the owner.
        Delegate = "DELEGATE",
        /// For an organization that the owner let in.
        Desk = "DESK",
        /// As the gateway itself, when a time came.
        System = "SYSTEM",
    }
);

#[ComplexObject]
impl Doer {
    /// The name that they had when they did it, as their identity provider said it. Null where the reader may not know them.
    async fn actor_name(&self, cx: &Context<'_>) -> Nullable<String> {
        nullable(async { Ok(known::<Actor>(cx, self.who.0).await?.and(self.name.clone())) }).await
    }

    /// As what they acted.
    async fn acted_as(&self) -> ActedAs {
        if self.kind == PrincipalKind::System {
            ActedAs::System
        } else if self.acting != self.owner {
            ActedAs::Desk
        } else if self.leave.is_some() {
            ActedAs::Delegate
        } else {
            ActedAs::Member
        }
    }

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
