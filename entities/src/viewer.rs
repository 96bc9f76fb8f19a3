//! The viewer: the principal of the request, with the places where it may act, and as what. Runs in the principal's own scope,
//! before any organization.

use crate::{
    delegation::{DelegatedAction, DelegationId},
    membership::{MembershipId, MembershipState},
    operation,
    organization::OrganizationType,
};
use async_graphql::{ComplexObject, SimpleObject};
use chrono::{DateTime, Utc};
use kind::{Connection, Page};
use schema::{
    Actor, Code, Context, Error, Nullable, Operation, OrganizationId, Planned, PrincipalId, PrincipalKind, Reads, Result, Role,
    Snapshot, Time, nullable,
};
use sea_orm::{DbBackend, FromQueryResult, Statement};
use std::sync::Arc;

/// The principal behind the token.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub struct Viewer {
    pub id: PrincipalId,
    pub kind: PrincipalKind,
    pub email: Option<String>,
    pub display_name: Option<String>,
    /// Where it may act now, and as what.
    pub memberships: Vec<ViewerMembership>,
    /// Where it may do something by someone's leave.
    pub delegations: Vec<ViewerDelegation>,
    /// Open invitations addressed to it.
    pub invitations: Vec<ViewerMembership>,
}

/// What was delegated to the viewer in one organization, and counts now.
#[derive(Debug, Clone, SimpleObject, FromQueryResult)]
pub struct ViewerDelegation {
    pub delegation_id: DelegationId,
    /// Send this as `X-Organization-Id` to act here.
    pub organization_id: OrganizationId,
    pub organization_name: String,
    pub organization_type: OrganizationType,
    pub actions: Vec<DelegatedAction>,
    pub may_delegate: bool,
    pub starts_at: Time,
    pub ends_at: Option<Time>,
}

/// One place where the viewer may act, or is invited to.
#[derive(Debug, Clone, SimpleObject)]
pub struct ViewerMembership {
    pub membership_id: MembershipId,
    /// Send this as `X-Organization-Id` to act here.
    pub organization_id: OrganizationId,
    pub organization_name: String,
    pub organization_type: OrganizationType,
    pub role: Role,
    pub starts_at: Time,
    pub ends_at: Option<Time>,
}

#[ComplexObject]
impl Viewer {
    /// What it asked for before any organization: foundings and acceptances, newest first.
    async fn operations(
        &self,
        cx: &async_graphql::Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Nullable<Connection<Operation>> {
        let page = Page { first, after, last, before, with_total: cx.look_ahead().field("totalCount").exists() };
        nullable(async {
            let reads = cx.data::<Arc<Reads>>().map_err(|error| Error::internal(error.message))?;
            let _turn = reads.alone().await;
            let (gateway, actor) = (reads.gateway(), Actor::own_scope(self.id, self.kind));
            let planned = Planned { kinds: [operation::KIND].into(), across: false };
            let filters = planned.filters(&*gateway.decide, &actor).await?;
            let own = Snapshot::open(gateway, actor, Arc::new(filters)).await?;
            kind::page::list::<operation::Model>(&*own, own.actor.organization, None, None, page).await.map(Some)
        })
        .await
    }
}

#[derive(Debug, FromQueryResult)]
struct Who {
    id: PrincipalId,
    kind: PrincipalKind,
    email: Option<String>,
    display_name: Option<String>,
}

#[derive(Debug, FromQueryResult)]
struct Where {
    membership_id: MembershipId,
    organization_id: OrganizationId,
    organization_name: String,
    organization_type: OrganizationType,
    role: Role,
    state: MembershipState,
    starts_at: DateTime<Utc>,
    ends_at: Option<DateTime<Utc>>,
}

pub async fn viewer(cx: &Context) -> Result<Viewer> {
    let tx = cx.tx().await?;
    let who = Who::find_by_statement(Statement::from_string(DbBackend::Postgres, "SELECT * FROM app.viewer()")).one(tx).await?;
    let who = who.ok_or_else(|| Error::new(Code::TOKEN_INVALID))?;
    let statement =
        Statement::from_sql_and_values(DbBackend::Postgres, "SELECT * FROM app.viewer_memberships($1)", [cx.now().into()]);
    let (mut memberships, mut invitations) = (Vec::new(), Vec::new());
    for place in Where::find_by_statement(statement).all(tx).await? {
        let Where { membership_id, organization_id, organization_name, organization_type, role, state, starts_at, ends_at } =
            place;
        let into = if state == MembershipState::Active { &mut memberships } else { &mut invitations };
        into.push(ViewerMembership {
            membership_id,
            organization_id,
            organization_name,
            organization_type,
            role,
            starts_at: starts_at.into(),
            ends_at: ends_at.map(Time),
        });
    }
    let statement =
        Statement::from_sql_and_values(DbBackend::Postgres, "SELECT * FROM app.viewer_delegations($1)", [cx.now().into()]);
    let delegations = ViewerDelegation::find_by_statement(statement).all(tx).await?;
    Ok(Viewer {
        id: who.id,
        kind: who.kind,
        email: who.email,
        display_name: who.display_name,
        memberships,
        delegations,
        invitations,
    })
}
