//! The viewer: the principal of the request, with the places where it may act, and as what. Runs in the principal's own scope,
//! before any organization.

use crate::{
    delegation::{DelegatedAction, DelegationId, DelegationState},
    membership::MembershipId,
    operation,
    organization::OrganizationType,
    organization_card::OrganizationCard,
};
use async_graphql::{ComplexObject, SimpleObject};
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
    #[graphql(skip)]
    pub held: Vec<ViewerDelegation>,
    /// Open invitations addressed to it, the newest 200: `invitationsOpen` has all, a page at a time.
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
    /// Why it was given.
    pub reason: Option<String>,
    /// Until when it can be accepted, as long as it is offered.
    pub answer_by: Option<Time>,
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
    /// Until when an invitation can be accepted.
    pub answer_by: Option<Time>,
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

    /// All open invitations addressed to it, newest first. `membershipAccept` and `membershipDecline` answer one.
    async fn invitations_open(
        &self,
        cx: &async_graphql::Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Nullable<Connection<ViewerMembership>> {
        let page = Page::of_field(cx, first, after, last, before);
        let read = async |cx: &Context| invitations(cx, ALL).await;
        nullable(async { of_all(cx, self, page, "viewer_invitation", read, |one| one.id.0).await.map(Some) }).await
    }

    /// What others offer to let it do, newest first. `delegationAccept` and `delegationDecline` answer one.
    async fn delegation_offers(
        &self,
        cx: &async_graphql::Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Nullable<Connection<ViewerDelegation>> {
        let page = Page::of_field(cx, first, after, last, before);
        let read = async |cx: &Context| delegations(cx, DelegationState::Offered, ALL).await;
        nullable(async { of_all(cx, self, page, "viewer_offer", read, |one| one.id.0).await.map(Some) }).await
    }

    /// Where it may do something by someone's leave, at most 200: `delegationsHeld` has all, a page at a time.
    async fn delegations(&self) -> Vec<ViewerDelegation> {
        self.held.iter().take(usize::try_from(SOME).unwrap_or(usize::MAX)).cloned().collect()
    }

    /// All that was delegated to it and counts now, by the organization's name.
    async fn delegations_held(
        &self,
        cx: &async_graphql::Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Nullable<Connection<ViewerDelegation>> {
        let page = Page::of_field(cx, first, after, last, before);
        nullable(async { kind::page::of_all(self.held.clone(), "viewer_delegation", &page, |one| one.id.0).map(Some) }).await
    }

    /// The organizations where it may do something now, by a membership or by a delegation.
    async fn organizations(&self) -> Vec<OrganizationCard> {
        let members = self.memberships.iter().map(|one| &one.organization);
        let mut all: Vec<OrganizationCard> = Vec::new();
        for card in members.chain(self.held.iter().map(|one| &one.organization)) {
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
    starts_at: Time,
    ends_at: Option<Time>,
    answer_by: Option<Time>,
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
    reason: Option<String>,
    answer_by: Option<Time>,
}

/// The most of a list without a page that are shown.
pub const SOME: i32 = 200;

/// The most memberships of one principal, and the most that pages go through.
const ALL: i32 = 2_000;

impl From<Where> for ViewerMembership {
    fn from(place: Where) -> Self {
        ViewerMembership {
            id: place.membership_id,
            organization_id: place.organization_id,
            organization: OrganizationCard {
                id: place.organization_id,
                r#type: place.organization_type,
                name: place.organization_name,
            },
            role: place.role,
            starts_at: place.starts_at,
            ends_at: place.ends_at,
            answer_by: place.answer_by,
        }
    }
}

impl From<Delegated> for ViewerDelegation {
    fn from(held: Delegated) -> Self {
        ViewerDelegation {
            id: held.delegation_id,
            organization_id: held.organization_id,
            organization: OrganizationCard {
                id: held.organization_id,
                r#type: held.organization_type,
                name: held.organization_name,
            },
            actions: held.actions,
            may_delegate: held.may_delegate,
            starts_at: held.starts_at,
            ends_at: held.ends_at,
            reason: held.reason,
            answer_by: held.answer_by,
        }
    }
}

async fn places(cx: &Context, which: &str, most: i32) -> Result<Vec<ViewerMembership>> {
    let sql = format!("SELECT * FROM app.viewer_{which}($1, $2)");
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [cx.now().into(), most.into()]);
    Ok(Where::find_by_statement(statement).all(cx.tx().await?).await?.into_iter().map(Into::into).collect())
}

async fn invitations(cx: &Context, most: i32) -> Result<Vec<ViewerMembership>> {
    places(cx, "invitations", most).await
}

async fn delegations(cx: &Context, state: DelegationState, most: i32) -> Result<Vec<ViewerDelegation>> {
    let values = [cx.now().into(), state.as_str().into(), most.into()];
    let statement =
        Statement::from_sql_and_values(DbBackend::Postgres, "SELECT * FROM app.viewer_delegations($1, $2, $3)", values);
    Ok(Delegated::find_by_statement(statement).all(cx.tx().await?).await?.into_iter().map(Into::into).collect())
}

/// A page of a list that is read whole, in the viewer's own scope.
async fn of_all<T: Clone + async_graphql::OutputType>(
    cx: &async_graphql::Context<'_>,
    viewer: &Viewer,
    page: Page,
    list: &'static str,
    read: impl AsyncFnOnce(&Context) -> Result<Vec<T>>,
    id: fn(&T) -> uuid::Uuid,
) -> Result<Connection<T>> {
    let reads = cx.data::<Arc<Reads>>().map_err(|error| Error::internal(error.message))?;
    let _turn = reads.alone().await;
    let own = Context::reading(reads.gateway(), Actor::own_scope(viewer.id, viewer.kind));
    kind::page::of_newest(read(&own).await?, list, &page, id)
}

pub async fn viewer(cx: &Context) -> Result<Viewer> {
    let tx = cx.tx().await?;
    let who = Who::find_by_statement(Statement::from_string(DbBackend::Postgres, "SELECT * FROM app.viewer()")).one(tx).await?;
    let who = who.ok_or_else(|| Error::new(Code::TOKEN_INVALID))?;
    Ok(Viewer {
        id: who.id,
        kind: who.kind,
        email: who.email,
        display_name: who.display_name,
        memberships: places(cx, "memberships", ALL).await?,
        held: delegations(cx, DelegationState::Active, ALL).await?,
        invitations: invitations(cx, SOME).await?,
    })
}
