//! Outside parties that an owner deals with: HOAs and vendors who may have no account. Never
//! authoritative.

use crate::{
    cells,
    loading::Row,
    page::{self, Connection, Page},
    ready::plain,
    relation,
};
use async_graphql::{InputObject, SimpleObject, dataloader::Loader};
use chrono::{DateTime, Utc};
use garde::Validate;
use queryplan::{Attribute, Scalar};
use schema::{Error, OrganizationId, Result, Snapshot, Time, Tx, text_enum, valid};
use schemars::JsonSchema;
use sea_orm::{Condition, QueryFilter, entity::prelude::*};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

pub const KIND: &str = "external_party";
pub static RESOURCE: queryplan::Resource = queryplan::Resource {
    table: "external_party",
    id: Scalar::uuid("id"),
    attributes: &[relation("organization_id"), Attribute::text("kind", "kind"), Attribute::text("status", "status")],
};

schema::id!(
    /// An HOA or a vendor, as one owner knows it.
    ExternalPartyId
);

text_enum!(
    /// What an outside party is.
    ExternalPartyKind { Hoa = "HOA", Vendor = "VENDOR" }
);

text_enum!(
    /// Archived things stay, and stay out of the way.
    ExternalPartyStatus { Active = "ACTIVE", Archived = "ARCHIVED" }
);

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "external_party")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub organization_id: OrganizationId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ExternalPartyId,
    pub kind: ExternalPartyKind,
    pub name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub website: Option<String>,
    pub notes: Option<String>,
    pub linked_organization_id: Option<OrganizationId>,
    pub status: ExternalPartyStatus,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

#[expect(clippy::disallowed_methods, reason = "the finder that begins with the organization")]
pub fn of(organization: OrganizationId) -> Select<Entity> {
    Entity::find().filter(Column::OrganizationId.eq(organization))
}

pub fn by_id(organization: OrganizationId, id: ExternalPartyId) -> Select<Entity> {
    of(organization).filter(Column::Id.eq(id))
}

cells::cells!(Model {
    organization_id,
    id,
    kind,
    name,
    email,
    phone,
    website,
    notes,
    linked_organization_id,
    status,
    version,
    created_at,
    updated_at,
});

impl Row for Model {
    const KIND: &'static str = KIND;
    fn id(&self) -> Uuid {
        self.id.0
    }
    fn organization(&self) -> OrganizationId {
        self.organization_id
    }
    fn version(&self) -> Option<i32> {
        Some(self.version)
    }
    fn attributes(&self) -> Map<String, Value> {
        Map::from_iter([("kind".to_owned(), self.kind.as_str().into()), ("status".to_owned(), self.status.as_str().into())])
    }
}

/// An HOA or a vendor, as its owner knows it. Not a system of record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct ExternalParty {
    pub id: ExternalPartyId,
    pub organization_id: OrganizationId,
    pub kind: ExternalPartyKind,
    pub name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub website: Option<String>,
    pub notes: Option<String>,
    /// The organization that it turned out to be, if it has an account here.
    pub linked_organization_id: Option<OrganizationId>,
    pub status: ExternalPartyStatus,
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

impl From<Model> for ExternalParty {
    fn from(row: Model) -> Self {
        let Model {
            organization_id,
            id,
            kind,
            name,
            email,
            phone,
            website,
            notes,
            linked_organization_id,
            status,
            version,
            created_at,
            updated_at,
        } = row;
        ExternalParty {
            id,
            organization_id,
            kind,
            name,
            email,
            phone,
            website,
            notes,
            linked_organization_id,
            status,
            version,
            created_at: created_at.into(),
            updated_at: updated_at.into(),
        }
    }
}

plain!(ExternalParty {
    "id" = id,
    "organizationId" = organization_id,
    "kind" = kind,
    "name" = name,
    "email" = email,
    "phone" = phone,
    "website" = website,
    "notes" = notes,
    "linkedOrganizationId" = linked_organization_id,
    "status" = status,
    "version" = version,
    "createdAt" = created_at,
    "updatedAt" = updated_at,
});

/// Which outside parties. All that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalPartyFilter {
    /// Any of these.
    #[garde(skip)]
    pub kind: Option<Vec<ExternalPartyKind>>,
    #[garde(skip)]
    pub status: Option<Vec<ExternalPartyStatus>>,
    /// Its name begins so.
    #[garde(custom(valid::text(200)))]
    pub name_begins: Option<String>,
}

impl ExternalPartyFilter {
    fn condition(self) -> Condition {
        let ExternalPartyFilter { kind, status, name_begins } = self;
        let kinds = |all: Vec<ExternalPartyKind>| all.into_iter().map(|one| one.as_str().to_owned()).collect::<Vec<_>>();
        let states = |all: Vec<ExternalPartyStatus>| all.into_iter().map(|one| one.as_str().to_owned()).collect::<Vec<_>>();
        Condition::all()
            .add_option(kind.map(|all| Column::Kind.eq_any(kinds(all))))
            .add_option(status.map(|all| Column::Status.eq_any(states(all))))
            // Letters, not wildcards.
            .add_option(
                name_begins.map(|start| {
                    Expr::cust_with_exprs("starts_with($1, $2)", [Expr::col((Entity, Column::Name)), Expr::val(start)])
                }),
            )
    }
}

page::orders!(
    /// In which order. Ties are broken by id, so that every order is total.
    ExternalPartyOrder of "external_party" {
        NameAsc = "NAME_ASC", NameDesc = "NAME_DESC": Name, |row| row.name.clone(), page::bind_text;
        // Ids are made in the order of their time.
        CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": Id, |row| row.id.to_string(), page::bind_id;
    }
);

/// A page of the organization's outside parties, of those that the reader may see.
pub async fn list(
    tx: &Tx,
    organization: OrganizationId,
    visible: Condition,
    filter: Option<ExternalPartyFilter>,
    order: Option<ExternalPartyOrder>,
    page: Page,
) -> Result<Connection<ExternalParty>> {
    let select = of(organization).filter(visible).filter(filter.unwrap_or_default().condition());
    page::page(tx, select, Column::Id, order.unwrap_or(ExternalPartyOrder::NameAsc).sort(), page, |row| row.id.0).await
}

/// Loads those that the reader may see, many at once.
pub struct Parties(Weak<Snapshot>);

impl Parties {
    pub fn of(snapshot: Weak<Snapshot>) -> Self {
        Parties(snapshot)
    }
}

#[async_trait::async_trait]

impl Loader<(OrganizationId, ExternalPartyId)> for Parties {
    type Value = ExternalParty;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[(OrganizationId, ExternalPartyId)],
    ) -> Result<HashMap<(OrganizationId, ExternalPartyId), ExternalParty>, Arc<Error>> {
        let load = async {
            let snapshot = self.0.upgrade().ok_or_else(|| Error::internal("the query is over"))?;
            let ids: Vec<Uuid> = keys.iter().map(|(_, id)| id.0).collect();
            #[expect(clippy::disallowed_methods, reason = "begins with the organizations of its keys")]
            let select = Entity::find()
                .filter(crate::among(&snapshot.tx, Column::OrganizationId, keys))
                .filter(Column::Id.eq_any(ids))
                .filter(snapshot.filter(KIND)?);
            let rows = cells::all(&snapshot.tx, select).await?;
            Ok(rows.into_iter().map(|row| ((row.organization_id, row.id), row.into())).collect())
        };
        load.await.map_err(Arc::new)
    }
}
