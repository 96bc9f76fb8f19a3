//! Relay's object identification. Ids are unique across kinds, so a bare id is enough.

use async_graphql::{Context, ID, Object};
use entities::{
    access_grant, delegation, external_party, financial_entry, membership, node::Node, operation, organization, ownership,
    portfolio, property,
};
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
    let (tx, owner) = (&snapshot.tx, snapshot.owner());
    let mut found: HashMap<Uuid, Node> = HashMap::new();
    macro_rules! of {
        ($($kind:ident in $organization:expr => $node:ident;)*) => {
            $(
                let rows = $kind::of($organization).filter($kind::Column::Id.eq_any(ids.to_vec())).filter(snapshot.filter($kind::KIND)?);
                found.extend(rows.all(tx).await?.into_iter().map(|row| (row.id.0, Node::$node(row.into()))));
            )*
        };
    }
    of! {
        property in owner => Property;
        portfolio in owner => Portfolio;
        ownership in owner => Ownership;
        financial_entry in owner => FinancialEntry;
        external_party in owner => ExternalParty;
        delegation in owner => Delegation;
        access_grant in owner => AccessGrant;
        membership in owner => Membership;
        operation in snapshot.actor.organization => Operation;
    }
    if ids.contains(&owner.0) {
        let row = organization::of(owner).filter(snapshot.filter(organization::KIND)?).one(tx).await?;
        found.extend(row.map(|row| (row.id.0, Node::Organization(row.into()))));
    }
    Ok(found)
}
