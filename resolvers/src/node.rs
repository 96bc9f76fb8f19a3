//! Relay's object identification. Ids are unique across kinds, so a bare id is enough.

use async_graphql::{Context, ID, Object};
use entities::{external_party, membership, node::Node, operation, organization, portfolio, property};
use schema::{Code, Error, Nullable, Result, Snapshot, nullable, snapshot};
use sea_orm::{ColumnTrait, QueryFilter};
use std::collections::HashMap;
use uuid::Uuid;

#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// Anything of the acting organization, by its id.
    async fn node(&self, cx: &Context<'_>, id: ID) -> Nullable<Node> {
        nullable(async {
            let snapshot = snapshot(cx).await?;
            let id = parse(&id)?;
            let node = find(&snapshot, &[id]).await?.remove(&id);
            Ok(Some(node.ok_or_else(|| Error::new(Code::NotFound))?))
        })
        .await
    }

    /// Many at once, at most 100, in the order of the ids; null where there is none to see.
    async fn nodes(&self, cx: &Context<'_>, ids: Vec<ID>) -> Nullable<Vec<Option<Node>>> {
        nullable(async {
            if ids.len() > 100 {
                return Err(Error::new(Code::InvalidInput).field("ids", "TOO_MANY", "at most 100 at once"));
            }
            let snapshot = snapshot(cx).await?;
            let ids = ids.iter().map(parse).collect::<Result<Vec<Uuid>>>()?;
            let mut found = find(&snapshot, &ids).await?;
            Ok(Some(ids.iter().map(|id| found.remove(id)).collect()))
        })
        .await
    }
}

fn parse(id: &ID) -> Result<Uuid> {
    id.parse().map_err(|_| Error::new(Code::InvalidInput).field("id", "WRONG_TYPE", "is not a UUID"))
}

/// One statement a kind, however many ids.
async fn find(snapshot: &Snapshot, ids: &[Uuid]) -> Result<HashMap<Uuid, Node>> {
    let (tx, acting, ids) = (&snapshot.tx, snapshot.actor.organization, ids.to_vec());
    let mut found: HashMap<Uuid, Node> = HashMap::new();
    let rows = property::of(acting).filter(property::Column::Id.eq_any(ids.clone())).filter(snapshot.filter(property::KIND)?);
    found.extend(rows.all(tx).await?.into_iter().map(|row| (row.id.0, Node::Property(row.into()))));
    let rows = portfolio::of(acting).filter(portfolio::Column::Id.eq_any(ids.clone())).filter(snapshot.filter(portfolio::KIND)?);
    found.extend(rows.all(tx).await?.into_iter().map(|row| (row.id.0, Node::Portfolio(row.into()))));
    let rows = external_party::of(acting).filter(external_party::Column::Id.eq_any(ids.clone()));
    let rows = rows.filter(snapshot.filter(external_party::KIND)?).all(tx).await?;
    found.extend(rows.into_iter().map(|row| (row.id.0, Node::ExternalParty(row.into()))));
    let rows =
        membership::of(acting).filter(membership::Column::Id.eq_any(ids.clone())).filter(snapshot.filter(membership::KIND)?);
    found.extend(rows.all(tx).await?.into_iter().map(|row| (row.id.0, Node::Membership(row.into()))));
    let rows = operation::of(acting).filter(operation::Column::Id.eq_any(ids.clone())).filter(snapshot.filter(operation::KIND)?);
    found.extend(rows.all(tx).await?.into_iter().map(|row| (row.id.0, Node::Operation(row.into()))));
    if ids.contains(&acting.0) {
        let row = organization::of(acting).filter(snapshot.filter(organization::KIND)?).one(tx).await?;
        found.extend(row.map(|row| (row.id.0, Node::Organization(row.into()))));
    }
    Ok(found)
}
