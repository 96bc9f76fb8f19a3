//! Relay's object identification. Ids are unique across kinds, so a bare id is enough.

use async_graphql::{Context, ID, Object};
use entities::{external_party, membership, node::Node, operation, organization, property};
use schema::{Code, Error, Nullable, Result, Snapshot, nullable, snapshot};
use sea_orm::{ColumnTrait, QueryFilter};
use uuid::Uuid;

#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// Anything of the acting organization, by its id.
    async fn node(&self, cx: &Context<'_>, id: ID) -> Nullable<Node> {
        nullable(async {
            let snapshot = snapshot(cx).await?;
            let node = find(&snapshot, &id).await?;
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
            let mut nodes = Vec::with_capacity(ids.len());
            for id in &ids {
                nodes.push(find(&snapshot, id).await?);
            }
            Ok(Some(nodes))
        })
        .await
    }
}

async fn find(snapshot: &Snapshot, id: &ID) -> Result<Option<Node>> {
    let Ok(id) = id.parse::<Uuid>() else {
        return Err(Error::new(Code::InvalidInput).field("id", "INVALID_UUID", "is not a UUID"));
    };
    let (tx, acting) = (&snapshot.tx, snapshot.actor.organization);
    if let Some(row) = property::by_id(acting, id.into()).filter(snapshot.filter(property::KIND)?).one(tx).await? {
        return Ok(Some(Node::Property(row.into())));
    }
    let party = external_party::of(acting).filter(external_party::Column::Id.eq(id));
    if let Some(row) = party.filter(snapshot.filter(external_party::KIND)?).one(tx).await? {
        return Ok(Some(Node::ExternalParty(row.into())));
    }
    if let Some(row) = membership::by_id(acting, id.into()).filter(snapshot.filter(membership::KIND)?).one(tx).await? {
        return Ok(Some(Node::Membership(row.into())));
    }
    if let Some(row) = operation::by_id(acting, id.into()).filter(snapshot.filter(operation::KIND)?).one(tx).await? {
        return Ok(Some(Node::Operation(row.into())));
    }
    let organization = organization::of(id.into()).filter(snapshot.filter(organization::KIND)?).one(tx).await?;
    Ok(organization.map(|row| Node::Organization(row.into())))
}
