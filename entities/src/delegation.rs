//! Delegations: a principal may do named things with named properties until a time, by another's permission. Views say which
//! of them count now; policies see the actions that are delegated over a row to the one who asks.

use crate::{portfolio::PortfolioId, prelude::*, property::PropertyId};
use chrono::{DateTime, Utc};
pub use kind::DelegatedAction;
use queryplan::{Attribute, Link, Of, Record, Scalar, ScalarType};
use schema::{Result, Tx};
use sea_orm::{
    ConnectionTrait, DbBackend, FromQueryResult, Statement,
    sea_query::{Alias, Expr, ExprTrait, Query, SimpleExpr},
};

static PARENT: Link = Link {
    through: &[],
    to: &Record {
        table: "delegation",
        fields: &[
            Attribute::value("holder", Scalar::uuid("holder_id")),
            Attribute::value("mayDelegate", Scalar::new("may_delegate", ScalarType::Bool)),
        ],
    },
    on: &[("organization_id", "organization_id"), ("parent_id", "id")],
    bound: &[],
};

schema::id!(
    /// One principal's leave to do something with some properties.
    DelegationId = 0x51, OFFERED_EXAMPLE = 0x5d
);

states!(
    /// Where a delegation stands. One whose term has not begun is active, and does not count yet.
    DelegationState of "delegation" {
        new => [Offered by "delegation/v1/grant", Active by "delegation/v1/grant"],
        /// To somebody who is no member: it counts once they accept it.
        Offered = "OFFERED" => [
            Active by "delegation/v1/accept",
            Declined by "delegation/v1/decline",
            Revoked by "delegation/v1/revoke" | "delegation/v1/settle" | "membership/v1/settle",
            Expired by "delegation/v1/expire",
        ],
        Active = "ACTIVE" => [
            // A delegation ends with the one, or with the membership, that it rests on; that is noted afterwards.
            Revoked by "delegation/v1/revoke" | "delegation/v1/settle" | "membership/v1/settle",
            Expired by "delegation/v1/expire",
        ],
        Revoked = "REVOKED" => [],
        Expired = "EXPIRED" => [],
        Declined = "DECLINED" => [],
    }
);

/// Who may do what with which properties until when, by whose leave.
#[kind(
    Delegation,
    table = "delegation",
    names = holder_id,
    rights = Decides,
    changes = [actions, may_delegate, ends_at, state, ended_at, ended_by, end_reason],
    also = [Attribute { name: "parent", of: Of::One(&PARENT) }],
)]
pub struct Model {
    pub organization_id: OrganizationId,
    pub id: DelegationId,
    /// Who may.
    #[policy("holder")]
    pub holder_id: PrincipalId,
    /// By whose leave.
    #[policy("grantor")]
    pub grantor_id: PrincipalId,
    /// The delegation that it rests on, if it was passed on.
    pub parent_id: Option<DelegationId>,
    /// The member at the beginning of the chain: it counts as long as they could still give it.
    pub root_id: PrincipalId,
    pub actions: Vec<DelegatedAction>,
    /// Whether the holder may pass it on, in whole or in part.
    pub may_delegate: bool,
    pub starts_at: Time,
    pub ends_at: Option<Time>,
    pub state: DelegationState,
    /// Why it was given.
    pub reason: Option<String>,
    /// Until when the holder can accept it, as long as it is offered.
    pub answer_by: Option<Time>,
    /// When the holder accepted it; at once, of a member.
    pub accepted_at: Option<Time>,
    pub ended_at: Option<Time>,
    pub ended_by: Option<PrincipalId>,
    pub end_reason: Option<String>,
    /// For optimistic locking: send it with a change.
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

/// The states of a delegation that has not ended.
const OPEN: [DelegationState; 2] = [DelegationState::Offered, DelegationState::Active];

/// The delegations that rest on this one and have not ended.
pub fn children(organization: OrganizationId, id: DelegationId) -> Select<Entity> {
    of(organization).filter(Column::ParentId.eq(id)).filter(Column::State.is_in(OPEN))
}

/// The delegations that have not ended, and that a member gave before they stood for the owner no more.
pub fn rootless(organization: OrganizationId, member: PrincipalId) -> Select<Entity> {
    of(organization)
        .filter(Column::RootId.eq(member))
        .filter(Column::ParentId.is_null())
        .filter(Column::State.is_in(OPEN))
        .filter(Expr::cust(
            "EXISTS (SELECT FROM delegation_line l
               JOIN delegator r ON r.organization_id = l.organization_id AND r.principal_id = delegation.root_id AND r.turn > l.root_turn
               WHERE l.organization_id = delegation.organization_id AND l.id = delegation.id)",
        ))
}

/// Which delegations.
#[filter]
pub struct DelegationFilter {
    /// Any of these states. Absent: all.
    #[any(State)]
    pub state: Option<Vec<DelegationState>>,
    #[is(HolderId)]
    pub holder_id: Option<PrincipalId>,
    /// Covers this property by name, or by the name of a portfolio that it was in when it was passed on.
    #[by(covers_property)]
    pub property_id: Option<PropertyId>,
    #[by(covers_portfolio)]
    pub portfolio_id: Option<PortfolioId>,
}

fn covers_property(id: PropertyId) -> SimpleExpr {
    covers("property_id", id.0)
}

fn covers_portfolio(id: PortfolioId) -> SimpleExpr {
    covers("portfolio_id", id.0)
}

fn covers(column: &'static str, id: Uuid) -> SimpleExpr {
    let item = |column: &'static str| Expr::col((Alias::new("delegation_item"), Alias::new(column)));
    let select = Query::select()
        .expr(Expr::val(1))
        .from(Alias::new("delegation_item"))
        .and_where(item("organization_id").equals((Entity, Column::OrganizationId)))
        .and_where(item("delegation_id").equals((Entity, Column::Id)))
        .and_where(item(column).eq(id))
        .and_where(item("removed_at").is_null())
        .take();
    Expr::exists(select)
}

orders!(DelegationOrder of DelegationFilter, else CreatedDesc {
    // Ids are made in the order of their time.
    CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": Id;
});

/// A delegation to the principal, read in that principal's own scope.
pub async fn offer(tx: &Tx, id: DelegationId) -> Result<Option<Model>> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, "SELECT * FROM app.delegation_offer($1)", [id.0.into()]);
    Ok(Model::find_by_statement(statement).one(tx).await?)
}

/// Accepts, or declines, a delegation that is offered to the principal. None: it is no longer open.
pub async fn answer(tx: &Tx, id: DelegationId, accepts: bool, now: DateTime<Utc>) -> Result<Option<Model>> {
    let values = [id.0.into(), accepts.into(), now.into()];
    let statement =
        Statement::from_sql_and_values(DbBackend::Postgres, "SELECT * FROM app.delegation_answer($1, $2, $3)", values);
    Ok(Model::find_by_statement(statement).one(tx).await?)
}

/// Whether a member stands for the owner now, so that the member's delegations count.
pub async fn may_give(
    db: &impl ConnectionTrait,
    organization: OrganizationId,
    member: PrincipalId,
    now: DateTime<Utc>,
) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT FROM membership WHERE organization_id = $1 AND principal_id = $2 AND state = 'ACTIVE'
                 AND app.stands_for_owner(role) AND starts_at <= $3 AND (ends_at IS NULL OR ends_at > $3)) AS yes";
    let values = [organization.0.into(), member.0.into(), now.into()];
    let row = db.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    Ok(row.map(|row| row.try_get("", "yes")).transpose()?.unwrap_or(false))
}
