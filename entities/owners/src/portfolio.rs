//! Portfolios: properties grouped as their owner sees them, each in as many as it pleases.

use crate::prelude::*;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, IntoColumnRef, Query, SimpleExpr};

schema::id!(
    /// A group of properties.
    PortfolioId = 0x21
);

text_enum!(
    /// Archived portfolios stay, and stay out of the way.
    PortfolioStatus { Active = "ACTIVE", Archived = "ARCHIVED" }
);

/// A group of properties, as their owner sees them.
#[kind(Portfolio, table = "portfolio", shelved_by = status, delegated = Portfolio, rights = Groups, sample = { "name": "Rentals", "position": 1 })]
pub struct Model {
    pub id: PortfolioId,
    /// Who owns the record.
    pub organization_id: OrganizationId,
    pub name: String,
    /// Such as `#2F6B4F`.
    pub colour: Option<String>,
    /// What is to become of it.
    pub target_notes: Option<String>,
    /// Its place among the others.
    pub position: i32,
    #[policy]
    pub status: PortfolioStatus,
    /// For optimistic locking: send it with a change. It grows with every property that comes or goes.
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
    pub archived_at: Option<Time>,
}

/// Which portfolios.
#[filter]
pub struct PortfolioFilter {
    /// Words, each of which occurs in the name or the target notes.
    #[search]
    #[text(100)]
    pub search: Option<String>,
    #[shelf(Status)]
    pub status: Option<Vec<PortfolioStatus>>,
    /// Its name begins so.
    #[begins(Name)]
    #[text(200)]
    pub name_begins: Option<String>,
}

orders!(PortfolioOrder of PortfolioFilter, else PositionAsc {
    PositionAsc = "POSITION_ASC", PositionDesc = "POSITION_DESC": Position;
    NameAsc = "NAME_ASC", NameDesc = "NAME_DESC": Name;
    // Ids are made in the order of their time.
    CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": Id;
});

/// The condition that a row's property is in a portfolio. These columns of the row name its organization and the property.
pub fn holding(organization: impl IntoColumnRef, property: impl IntoColumnRef, portfolio: PortfolioId) -> SimpleExpr {
    let member = |column: &'static str| Expr::col((Alias::new("portfolio_property"), Alias::new(column)));
    let select = Query::select()
        .expr(Expr::val(1))
        .from(Alias::new("portfolio_property"))
        .and_where(member("organization_id").equals(organization))
        .and_where(member("portfolio_id").eq(portfolio.0))
        .and_where(member("property_id").equals(property))
        .and_where(member("removed_at").is_null())
        .take();
    Expr::exists(select)
}
