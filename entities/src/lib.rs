//! One file a table. Relations between them stand in `relations.rs`, above all tables.

pub mod access_grant;
pub mod actor;
pub mod change;
pub mod delegation;
pub mod delegation_item;
pub mod engaged_organization;
pub mod engaged_property;
pub mod event;
pub mod external_party;
pub mod feed;
pub mod financial_entry;
pub mod history;
pub mod membership;
pub mod node;
pub mod operation;
pub mod organization;
pub mod ownership;
pub mod portfolio;
pub mod portfolio_property;
pub mod principal;
pub mod property;
pub mod relations;
pub mod replica;
pub mod report;
pub mod viewer;

use kind::KindInfo;

mod prelude {
    pub use kind::{Filter, Kind, KindInfo, Rights, Row, filter, kind, orders, row};
    pub use schema::{
        AccessGrantId, Date, Long, OperationId, OrganizationId, PrincipalId, PrincipalKind, Role, Time, text_enum, valid,
    };
    pub use sea_orm::entity::prelude::{
        ActiveModelBehavior, ColumnTrait, DerivePrimaryKey, EntityTrait, EnumIter, PrimaryKeyTrait, QueryFilter, Select, Uuid,
    };
}

macro_rules! kinds {
    ($($module:ident,)*) => {
        /// Every kind, in the order of their names. All that is true of every kind follows from this list.
        pub static KINDS: &[&KindInfo] = &[$(&$module::INFO,)*];

        /// Their names: of all that a list or a relation can ask for.
        pub const NAMES: &[&str] = &[$($module::KIND,)*];
    };
}

kinds! {
    access_grant,
    delegation,
    engaged_property,
    external_party,
    financial_entry,
    history,
    membership,
    operation,
    organization,
    ownership,
    portfolio,
    property,
}

/// The kind of this name.
pub fn kind(name: &str) -> Option<&'static KindInfo> {
    KINDS.iter().copied().find(|kind| kind.name == name)
}

/// The kind that a namespace of procedures is about.
pub fn kind_of(namespace: &str) -> Option<&'static KindInfo> {
    KINDS.iter().copied().find(|kind| kind.namespace() == namespace)
}

/// Makes the relations known. Whoever makes a schema calls it first.
pub fn declare() {
    kind::relation::declare(relations::ALL);
}
