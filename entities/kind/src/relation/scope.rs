//! The organization that fields are about: the root's fields ask about whomever the request is about, and an organization has
//! the same fields, about its own things.

use super::{Plan, Relation, Root};
use crate::Kind;
use async_graphql::{
    Context, ObjectType, ServerResult, Value,
    registry::{MetaField, MetaType, Registry},
};
use async_trait::async_trait;
use schema::{OrganizationId, Reading, Result};
use std::{cell::Cell, marker::PhantomData};

/// The organization that the fields of a query are about. None: the one that the request is about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scope(pub Option<OrganizationId>);

impl Scope {
    /// The organization whose rows of a kind are asked for. Another one's are reached as far as grants cover them.
    pub async fn whose<K: Kind>(self, reading: &dyn Reading) -> Result<OrganizationId> {
        self.or(reading, K::whose(reading.actor())).await
    }

    /// The organization whose data is asked for.
    pub async fn owner(self, reading: &dyn Reading) -> Result<OrganizationId> {
        self.or(reading, reading.owner()).await
    }

    async fn or(self, reading: &dyn Reading, otherwise: OrganizationId) -> Result<OrganizationId> {
        let Some(organization) = self.0 else { return Ok(otherwise) };
        if organization != reading.acting() {
            reading.reach(&[organization]).await?;
        }
        Ok(organization)
    }
}

/// Fields of the query root that an organization has as well.
pub trait Scoped: Root + ObjectType {
    fn of(scope: Scope) -> Self;
}

/// The fields of `Q` on an object that stands for an organization.
pub struct InScope<P, Q> {
    pub of: fn(&P) -> OrganizationId,
    pub query: PhantomData<fn() -> Q>,
}

thread_local! {
    /// Whether fields are gathered just now, in a registry of their own.
    static GATHERING: Cell<bool> = const { Cell::new(false) };
}

#[async_trait]
impl<P: Sync, Q: Scoped> Relation<P> for InScope<P, Q> {
    /// The query's types are registered with the root, so only the fields are gathered here. On the way the registry meets this
    /// object again, without them.
    fn fields(&self, _: &mut Registry) -> Vec<(String, MetaField)> {
        if GATHERING.replace(true) {
            return Vec::new();
        }
        let made = Registry::default().create_fake_output_type::<Q>();
        GATHERING.set(false);
        match made {
            MetaType::Object { fields, .. } => fields.into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn plans(&self) -> Vec<Plan> {
        Q::PLANS.to_vec()
    }

    async fn resolve(&'static self, of: &P, cx: &Context<'_>) -> ServerResult<Option<Value>> {
        Q::of(Scope(Some((self.of)(of)))).resolve_field(cx).await
    }
}
