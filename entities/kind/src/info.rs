//! Everything that the house knows of a kind without knowing its types.

use crate::{Kind, Table, Thing, node::ApiOf};
use async_graphql::registry::Registry;
use async_trait::async_trait;
use schema::{ColumnType, Datum, OrganizationId, Reading, Result};
use schemars::{Schema, SchemaGenerator};
use std::{borrow::Cow, sync::Arc};
use uuid::Uuid;

/// The bearing of a kind on what someone may do or see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    None,
    /// Its rows say who may do what: a change of one is looked at before anyone is told more.
    Decides,
    /// Its rows group others that rights are given over.
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
    /// The texts that it may hold, where it holds one of a few.
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
    /// How clients read it, if it is a thing that has an id.
    pub api: Option<&'static dyn Api>,
}

impl KindInfo {
    pub const fn of<K: Kind>(resource: &'static queryplan::Resource, rights: Rights) -> Self {
        KindInfo { name: K::KIND, resource, rights, columns: K::COLUMNS, api: Some(&ApiOf::<K>::NEW) }
    }

    /// A table that policies know, and that has no ids that a client could ask for.
    pub const fn listed<T: Table>(name: &'static str, resource: &'static queryplan::Resource) -> Self {
        KindInfo { name, resource, rights: Rights::None, columns: T::COLUMNS, api: None }
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

/// The object that clients see of a kind, and how rows are found by id.
#[async_trait]
pub trait Api: Send + Sync {
    /// `ExternalParty`.
    fn object(&self) -> Cow<'static, str>;
    fn register(&self, registry: &mut Registry) -> String;
    fn schema(&self, generator: &mut SchemaGenerator) -> Schema;
    fn example(&self) -> Uuid;
    fn sample(&self) -> Option<serde_json::Value>;
    /// A statement of which ids there are, as `id`: `$1` are the organizations asked for, `$2` the ids, `$3` the acting one.
    fn probe(&self) -> String;
    /// Of these organizations, of those that the reader may see.
    async fn find(&self, reading: &dyn Reading, owners: &[OrganizationId], ids: Vec<Uuid>)
    -> Result<Vec<(Uuid, Arc<dyn Thing>)>>;
}
