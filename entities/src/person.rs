//! The names of people, agents and services, for those who have to do with them. How far that goes is what the view says; who of an
//! organization may know it is what the policies say.

use crate::{
    organization::OrganizationType,
    organization_card::{OrganizationCard, resource, seen},
    prelude::*,
};
use async_graphql::{ContextSelectionSet, InputType, SimpleObject, Value};
use async_trait::async_trait;
use kind::{ColumnInfo, Key, OnePass, one_pass::Shape, relation::Known};
use schema::{Reading, Result};
use sea_orm::FromQueryResult;
use std::collections::HashMap;

pub const KIND: &str = "person";
pub static RESOURCE: queryplan::Resource = resource(KIND);
pub static INFO: KindInfo = KindInfo::looked_up(KIND, &RESOURCE, &[ColumnInfo::of::<PersonRelation>("relation", "relation")]);

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
    const KIND: &'static str = KIND;

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
