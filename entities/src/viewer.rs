//! The viewer: the principal of the request, with the places where it may act, and as what. Runs in the principal's own scope,
//! before any organization.

use crate::{
    delegation::{DelegatedAction, DelegationId},
    membership::{MembershipId, MembershipState},
    operation,
    organization::OrganizationType,
    organization_card::OrganizationCard,
};
use async_graphql::{ComplexObject, SimpleObject};
use chrono::{DateTime, Utc};
use kind::{Connection, Page};
use schema::{
    Actor, Code, Context, Error, Nullable, Operation, OrganizationId, Planned, PrincipalId, PrincipalKind, Reads, Result, Role,
    Time, nullable,
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
    #[graphql(skip)]
    pub memberships: Vec<ViewerMembership>,
    /// Where it may do something by someone's leave.
    pub delegations: Vec<ViewerDelegation>,
    /// Open invitations addressed to it, at most 200.
    pub invitations: Vec<ViewerMembership>,
}

/// What was delegated to the viewer in one organization, and counts now.
#[derive(Debug, Clone, SimpleObject)]
pub struct ViewerDelegation {
    pub id: DelegationId,
    /// Send this as `X-Organization-Id` to act here.
    pub organization_id: OrganizationId,
    pub organization: OrganizationCard,
    pub actions: Vec<DelegatedAction>,
    pub may_delegate: bool,
    pub starts_at: Time,
    pub ends_at: Option<Time>,
}

/// One place where the viewer may act, or is invited to.
#[derive(Debug, Clone, SimpleObject)]
pub struct ViewerMembership {
    pub id: MembershipId,
    /// Send this as `X-Organization-Id` to act here.
    pub organization_id: OrganizationId,
    pub organization: OrganizationCard,
    pub role: Role,
    pub starts_at: Time,
    pub ends_at: Option<Time>,
}

#[ComplexObject]
impl Viewer {
    /// Where it may act now, and as what, by the organization's name.
    async fn memberships(
        &self,
        cx: &async_graphql::Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Nullable<Connection<ViewerMembership>> {
        let page = Page::of_field(cx, first, after, last, before);
        nullable(async { kind::page::of_all(self.memberships.clone(), "viewer_membership", &page, |one| one.id.0).map(Some) })
            .await
    }

    /// The organizations where it may do something now, by a membership or by a delegation.
    async fn organizations(&self) -> Vec<OrganizationCard> {
        let members = self.memberships.iter().map(|one| &one.organization);
        let mut all: Vec<OrganizationCard> = Vec::new();
        for card in members.chain(self.delegations.iter().map(|one| &one.organization)) {
            if all.iter().all(|known| known.id != card.id) {
                all.push(card.clone());
            }
        }
        all
    }

    /// What it asked for before any organization: foundings and acceptances, newest first.
    async fn operations(
        &self,
        cx: &async_graphql::Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Nullable<Connection<Operation>> {
        let page = Page::of_field(cx, first, after, last, before);
        nullable(async {
            let reads = cx.data::<Arc<Reads>>().map_err(|error| Error::internal(error.message))?;
            let _turn = reads.alone().await;
            let (gateway, actor) = (reads.gateway(), Actor::own_scope(self.id, self.kind));
            let planned = Planned { kinds: [operation::KIND].into(), ..Planned::default() };
            let filters = planned.filters(&*gateway.decide, &actor).await?;
            let own = reads.opened(actor, Arc::new(filters)).await?;
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

#[derive(Debug, FromQueryResult)]
struct Delegated {
    delegation_id: DelegationId,
    organization_id: OrganizationId,
    organization_name: String,
    organization_type: OrganizationType,
    actions: Vec<DelegatedAction>,
    may_delegate: bool,
    starts_at: Time,
    ends_at: Option<Time>,
}

/// The most invitations that are shown: whoever answers some sees the others.
pub const INVITATIONS: usize = 200;

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
            id: membership_id,
            organization_id,
            organization: OrganizationCard { id: organization_id, r#type: organization_type, name: organization_name },
            role,
            starts_at: starts_at.into(),
            ends_at: ends_at.map(Time),
        });
    }
    let statement =
        Statement::from_sql_and_values(DbBackend::Postgres, "SELECT * FROM app.viewer_delegations($1)", [cx.now().into()]);
    let delegations = Delegated::find_by_statement(statement).all(tx).await?.into_iter().map(|held| ViewerDelegation {
        id: held.delegation_id,
        organization_id: held.organization_id,
        organization: OrganizationCard { id: held.organization_id, r#type: held.organization_type, name: held.organization_name },
        actions: held.actions,
        may_delegate: held.may_delegate,
        starts_at: held.starts_at,
        ends_at: held.ends_at,
    });
    invitations.truncate(INVITATIONS);
    Ok(Viewer {
        id: who.id,
        kind: who.kind,
        email: who.email,
        display_name: who.display_name,
        memberships,
        delegations: delegations.collect(),
        invitations,
    })
}
