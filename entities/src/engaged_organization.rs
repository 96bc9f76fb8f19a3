//! The organizations that engaged the acting one.

use crate::{
    access_grant::{self, AccessGrantOrder, AccessScope},
    prelude::*,
};
use async_graphql::SimpleObject;
use kind::{
    Connection, Page,
    page::{self, Order as _},
};
use schema::{Reading, Result};
use schemars::JsonSchema;
use sea_orm::Condition;
use serde::{Deserialize, Serialize};

/// An organization that engaged the acting one, and by which leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase")]
#[graphql(complex)]
pub struct EngagedOrganization {
    /// The grant. Send it as `X-Grant-Id` to work there.
    pub id: AccessGrantId,
    pub organization_id: OrganizationId,
    pub scopes: Vec<AccessScope>,
    pub starts_at: Time,
    pub ends_at: Option<Time>,
}

impl From<access_grant::Model> for EngagedOrganization {
    fn from(row: access_grant::Model) -> Self {
        EngagedOrganization {
            id: row.id,
            organization_id: row.organization_id,
            scopes: AccessScope::read(&row.scopes),
            starts_at: row.starts_at.unwrap_or(row.asked_from),
            ends_at: row.ends_at,
        }
    }
}

kind::related!(EngagedOrganization);

/// A page of the organizations that engaged the acting one, of those that the reader may see.
pub async fn list(reading: &dyn Reading, page: Page) -> Result<Connection<EngagedOrganization>> {
    let select = access_grant::engaging(reading.acting(), reading.now());
    let which = Condition::all().add(reading.filter(access_grant::KIND)?);
    let sort = page::Sort { list: "engaged_organization", ..AccessGrantOrder::CreatedAsc.sort() };
    let id = access_grant::Column::Id;
    let found = page::page(reading.tx().await?, select, which, id, sort, page, |row: &access_grant::Model| row.id.0).await?;
    // The relations of these organizations read the organizations' own data, which the transaction must reach.
    reading
        .reach(&found.edges.iter().map(|edge: &kind::Edge<EngagedOrganization>| edge.node.organization_id).collect::<Vec<_>>())
        .await?;
    Ok(found)
}
