//! The names of organizations, for those who have to do with them. How far that goes is what the view says; who of an organization
//! may know it is what the policies say.

use crate::{organization::OrganizationType, prelude::*};
use async_graphql::SimpleObject;
use async_trait::async_trait;
use kind::{ColumnInfo, relation::Known};
use queryplan::{Attribute, Scalar};
use schema::{Reading, Result};
use sea_orm::{
    ConnectionTrait, FromQueryResult, QueryResult,
    sea_query::{Alias, Expr, Query, extension::postgres::PgExpr},
};
use std::collections::HashMap;

pub const KIND: &str = "organization_card";
pub static RESOURCE: queryplan::Resource = resource(KIND);
pub static INFO: KindInfo = KindInfo::looked_up(KIND, &RESOURCE, &[ColumnInfo::of::<CardRelation>("relation", "relation")]);

text_enum!(
    /// What an organization is to the acting one.
    CardRelation {
        /// Itself.
        Own = "OWN",
        /// A desk that it let in.
        Desk = "DESK",
        /// One that engages it.
        Engager = "ENGAGER",
    }
);

static ATTRIBUTES: [Attribute; 1] = [Attribute::text("relation", "relation")];

/// A view of names, whose rows are judged by what they are to the acting organization.
pub(crate) const fn resource(view: &'static str) -> queryplan::Resource {
    queryplan::Resource { table: view, id: Scalar::uuid("id"), attributes: &ATTRIBUTES }
}

/// The name of an organization, for those who have to do with it.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, FromQueryResult)]
pub struct OrganizationCard {
    pub id: OrganizationId,
    pub r#type: OrganizationType,
    pub name: String,
}

kind::plain!(OrganizationCard { "id" = id, "type" = r#type, "name" = name });

#[async_trait]
impl Known for OrganizationCard {
    const KIND: &'static str = KIND;

    async fn known(reading: &dyn Reading, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Self>> {
        let rows = seen(reading, Self::KIND, &["id", "type", "name"], ids).await?;
        let cards = rows.iter().map(|row| OrganizationCard::from_query_result(row, ""));
        Ok(cards.map(|card| card.map(|card| (card.id.0, card))).collect::<Result<_, _>>()?)
    }
}

/// Those rows of a view with these ids that the reader may know.
pub(crate) async fn seen(
    reading: &dyn Reading,
    view: &'static str,
    columns: &[&'static str],
    ids: Vec<Uuid>,
) -> Result<Vec<QueryResult>> {
    let mut select = Query::select();
    select
        .columns(columns.iter().map(|column| (Alias::new(view), Alias::new(*column))))
        .from_as((Alias::new("app"), Alias::new(view)), Alias::new(view))
        .and_where(Expr::col((Alias::new(view), Alias::new("id"))).eq_any(ids))
        .cond_where(reading.filter(view)?);
    Ok(reading.tx().await?.query_all(&select).await?)
}
