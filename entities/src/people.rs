//! The names of people and organizations, for those who have to do with them. How far that goes is what the views say; who of an
//! organization may know it is what the policies say.

use crate::{
    access_grant, delegation,
    node::{self, Node},
    organization::OrganizationType,
    prelude::*,
};
use async_graphql::{ComplexObject, Context, ContextSelectionSet, InputType, SimpleObject, Value};
use async_trait::async_trait;
use kind::{
    ColumnInfo, Key, OnePass,
    one_pass::Shape,
    relation::{Known, known},
};
use queryplan::{Attribute, Scalar};
use schema::{Nullable, Reading, Result, nullable, snapshot};
use sea_orm::{
    ConnectionTrait, FromQueryResult, QueryResult,
    sea_query::{Alias, Expr, Query, extension::postgres::PgExpr},
};
use std::collections::HashMap;

pub mod person {
    use super::*;
    pub const KIND: &str = "person";
    pub static RESOURCE: queryplan::Resource = super::resource(KIND);
    pub static INFO: KindInfo = KindInfo::looked_up(KIND, &RESOURCE, &[ColumnInfo::of::<PersonRelation>("relation", "relation")]);
}

pub mod organization_card {
    use super::*;
    pub const KIND: &str = "organization_card";
    pub static RESOURCE: queryplan::Resource = super::resource(KIND);
    pub static INFO: KindInfo = KindInfo::looked_up(KIND, &RESOURCE, &[ColumnInfo::of::<CardRelation>("relation", "relation")]);
}

text_enum!(
    /// What a person is to the acting organization.
    PersonRelation {
        /// A member or a delegate, now or once.
        Own = "OWN",
        /// Of a desk that it let in.
        Staff = "STAFF",
        /// Of an organization that engages it.
        Engager = "ENGAGER",
    }
);

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

const fn resource(view: &'static str) -> queryplan::Resource {
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
    const KIND: &'static str = organization_card::KIND;

    async fn known(reading: &dyn Reading, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Self>> {
        let rows = seen(reading, Self::KIND, &["id", "type", "name"], ids).await?;
        let cards = rows.iter().map(|row| OrganizationCard::from_query_result(row, ""));
        Ok(cards.map(|card| card.map(|card| (card.id.0, card))).collect::<Result<_, _>>()?)
    }
}

/// A person, an agent or a service, as those know it who have to do with it.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub struct Actor {
    pub id: PrincipalId,
    pub kind: PrincipalKind,
    /// The name that they gave. Null: they gave none.
    pub display_name: Option<String>,
    /// The organization that they acted for, or through which the reader knows them: the reader's own, a desk that it let in, or
    /// one that engaged it.
    pub organization: Option<OrganizationCard>,
    /// The grant or the delegation that let them act, with its owner.
    #[graphql(skip)]
    pub leave: Option<Key>,
}

kind::related!(Actor);

impl OnePass for Actor {
    fn plain(&self, name: &str) -> Option<Value> {
        match name {
            "id" => Some(self.id.to_value()),
            "kind" => Some(self.kind.to_value()),
            "displayName" => Some(self.display_name.to_value()),
            _ => None,
        }
    }

    fn is_plain(name: &str) -> bool {
        matches!(name, "id" | "kind" | "displayName")
    }

    fn within(&self, shape: &Shape<'_>, name: &str) -> Option<Value> {
        match (name, &self.organization) {
            ("organization", Some(organization)) => shape.object(organization),
            ("organization", None) => Some(Value::Null),
            _ => None,
        }
    }

    fn shape_within<'a>(cx: &ContextSelectionSet<'a>, name: &str) -> Option<Shape<'a>> {
        if name == "organization" { Shape::of_object::<OrganizationCard>(cx) } else { None }
    }
}

#[derive(FromQueryResult)]
struct PersonRow {
    id: PrincipalId,
    kind: PrincipalKind,
    display_name: Option<String>,
    organization_id: Option<OrganizationId>,
    organization_type: Option<OrganizationType>,
    organization_name: Option<String>,
}

#[async_trait]
impl Known for Actor {
    const KIND: &'static str = person::KIND;

    async fn known(reading: &dyn Reading, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Self>> {
        let columns = ["id", "kind", "display_name", "organization_id", "organization_type", "organization_name"];
        let mut known = HashMap::with_capacity(ids.len());
        for row in seen(reading, Self::KIND, &columns, ids).await? {
            let PersonRow { id, kind, display_name, organization_id, organization_type, organization_name } =
                PersonRow::from_query_result(&row, "")?;
            let organization = match (organization_id, organization_type, organization_name) {
                (Some(id), Some(r#type), Some(name)) => Some(OrganizationCard { id, r#type, name }),
                _ => None,
            };
            known.insert(id.0, Actor { id, kind, display_name, organization, leave: None });
        }
        Ok(known)
    }
}

/// Those rows of a view with these ids that the reader may know.
async fn seen(reading: &dyn Reading, view: &'static str, columns: &[&'static str], ids: Vec<Uuid>) -> Result<Vec<QueryResult>> {
    let mut select = Query::select();
    select
        .columns(columns.iter().map(|column| (Alias::new(view), Alias::new(*column))))
        .from_as((Alias::new("app"), Alias::new(view)), Alias::new(view))
        .and_where(Expr::col((Alias::new(view), Alias::new("id"))).eq_any(ids))
        .cond_where(reading.filter(view)?);
    Ok(reading.tx().await?.query_all(&select).await?)
}

/// The actor of something that was done, with the organization that they acted for and the leave that they had.
pub struct Doer {
    pub who: PrincipalId,
    pub acting: OrganizationId,
    pub leave: Option<Key>,
}

#[ComplexObject]
impl Doer {
    /// Who did it, for which organization, and by whose leave.
    async fn actor(&self, cx: &Context<'_>) -> Nullable<Actor> {
        nullable(async {
            let Some(mut actor) = known::<Actor>(cx, self.who.0).await? else { return Ok(None) };
            if actor.organization.as_ref().is_none_or(|organization| organization.id != self.acting) {
                actor.organization = known::<OrganizationCard>(cx, self.acting.0).await?;
            }
            actor.leave = self.leave;
            Ok(Some(actor))
        })
        .await
    }
}

/// The leave by which an actor acted.
pub struct Leave(pub Option<Key>);

#[ComplexObject]
impl Leave {
    /// The grant or the delegation by which they acted, where they did not act as one of the owner's own.
    async fn on_behalf_of(&self, cx: &Context<'_>) -> Nullable<Node> {
        nullable(async {
            let Some((owner, id)) = self.0 else { return Ok(None) };
            let wanted = [(access_grant::KIND, id), (delegation::KIND, id)];
            Ok(node::find(&*snapshot(cx).await?, &[owner], &wanted).await?.into_values().next())
        })
        .await
    }
}
