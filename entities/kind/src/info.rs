//! The facts about a kind that the rest of the gateway uses without knowing its types.

use crate::{Kind, Table, Thing, actions::OfEvery, node::ApiOf};
use async_graphql::registry::Registry;
use async_trait::async_trait;
use schema::{ColumnType, Datum, OrganizationId, Reading, Result};
use schemars::{Schema, SchemaGenerator};
use std::{borrow::Cow, sync::Arc};
use uuid::Uuid;

/// The bearing of a kind's rows on rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    None,
    /// Its rows decide rights. After a change of one, followers are judged anew before they get more of the log.
    Decides,
    /// Its rows group other rows, and rights are given over the groups.
    Groups,
}

/// A column as its struct declares it.
#[derive(Debug, Clone, Copy)]
pub struct ColumnInfo {
    pub name: &'static str,
    /// The name on every surface.
    pub field: &'static str,
    pub column: ColumnType,
    pub nullable: bool,
    /// The allowed texts, for a column that holds one of a few.
    pub texts: &'static [&'static str],
    /// Written once: the database grants no UPDATE of it.
    pub fixed: bool,
}

impl ColumnInfo {
    pub const fn of<T: Datum>(name: &'static str, field: &'static str) -> Self {
        ColumnInfo { name, field, column: T::TYPE, nullable: T::NULLABLE, texts: T::TEXTS, fixed: false }
    }

    pub const fn fixed(self, fixed: bool) -> Self {
        ColumnInfo { fixed, ..self }
    }
}

/// A kind with its types erased.
pub struct KindInfo {
    /// Its name for policies and in events, such as `external_party`.
    pub name: &'static str,
    pub resource: &'static queryplan::Resource,
    pub rights: Rights,
    pub columns: &'static [ColumnInfo],
    /// Whether it is a view, whose rows are other kinds' rows as those may see them who look.
    pub view: bool,
    /// The reading of its rows by id. None: the kind is only listed.
    pub api: Option<&'static dyn Api>,
}

impl KindInfo {
    pub const fn of<K: Kind>(resource: &'static queryplan::Resource, rights: Rights) -> Self {
        KindInfo { name: K::KIND, resource, rights, columns: K::COLUMNS, view: false, api: Some(&ApiOf::<K>::NEW) }
    }

    /// A table that policies know, and that has no ids that a client could ask for.
    pub const fn listed<T: Table>(name: &'static str, resource: &'static queryplan::Resource) -> Self {
        KindInfo { name, resource, rights: Rights::None, columns: T::COLUMNS, view: false, api: None }
    }

    /// A view that policies know.
    pub const fn looked_up(name: &'static str, resource: &'static queryplan::Resource, columns: &'static [ColumnInfo]) -> Self {
        KindInfo { name, resource, rights: Rights::None, columns, view: true, api: None }
    }

    /// `external_party` is the namespace `externalParty` of procedures.
    pub fn namespace(&self) -> String {
        schema::camel_case(self.name)
    }
}

impl std::fmt::Debug for KindInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The object that clients see of a kind, and the finding of its rows by id.
#[async_trait]
pub trait Api: OfEvery + Send + Sync {
    /// `ExternalParty`.
    fn object(&self) -> Cow<'static, str>;
    fn register(&self, registry: &mut Registry) -> String;
    fn schema(&self, generator: &mut SchemaGenerator) -> Schema;
    fn example(&self) -> Uuid;
    fn sample(&self) -> Option<serde_json::Value>;
    /// Whether events name its rows.
    fn logged(&self) -> bool;
    /// The SELECT of those ids that exist, as `id` and `organization_id`: `$1` are the ids, `$2` is the
    /// organization asked about.
    fn probe(&self) -> String;
    /// The things with these ids in these organizations, as far as the reader may see them.
    async fn find(&self, reading: &dyn Reading, owners: &[OrganizationId], ids: Vec<Uuid>)
    -> Result<Vec<(Uuid, Arc<dyn Thing>)>>;
}
