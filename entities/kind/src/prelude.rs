//! The names that a table's file imports.

pub use crate::{Filter, Kind, KindInfo, Rights, Row, filter, kind, orders, row};
pub use schema::{
    AccessGrantId, Date, Long, OperationId, OrganizationId, PrincipalId, PrincipalKind, Role, Time, states, text_enum, valid,
};
pub use sea_orm::entity::prelude::{
    ActiveModelBehavior, ColumnTrait, DerivePrimaryKey, EntityTrait, EnumIter, PrimaryKeyTrait, QueryFilter, Select, Uuid,
};
