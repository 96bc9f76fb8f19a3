//! The database's history, frozen: each file is written once and imports none of our crates.
//!
//! A new table calls one function of [`class`], which writes its policies, grants and comment; [`projection`] makes a table that
//! triggers keep. Its migration ends with `class::across()`, as does one that makes functions. The catalog tests read all of that
//! back and refuse a table without a class.

pub mod class;
mod m20261121_000001_scope;
mod m20261121_000002_identity;
mod m20261121_000003_operations;
mod m20261121_000004_property;
mod m20261121_000005_external_party;
mod m20261121_000006_portfolio;
mod m20261121_000007_engagement;
mod m20261121_000008_ownership;
mod m20261121_000009_delegation;
mod m20261121_000010_financial_entry;
mod m20261121_000011_live;
mod m20261121_000012_lean;
mod m20261121_000013_across;
mod m20261121_000014_engine;
mod m20261121_000015_claim;
mod m20261121_000016_known;
mod m20261125_000017_deadline;
mod m20261126_000018_outcome;
mod m20261126_000019_contact;
mod m20261126_000020_rehearsal;
mod m20261126_000021_whose;
mod m20261126_000022_search;
mod m20261126_000023_release;
mod m20261126_000024_decline;
mod m20261127_000025_directory;
mod m20261128_000026_chain;
mod m20261130_000027_quotas;
mod m20261130_000028_clocks;
mod m20261130_000029_denials;
mod m20261130_000030_standing;
mod m20261130_000031_events;
mod m20261201_000032_offers;
mod m20261201_000033_block;
mod m20261201_000034_skeleton;
mod m20261201_000035_engaged;
mod m20261202_000036_intent;
mod m20261202_000037_case;
mod m20261203_000038_life;
mod m20261204_000039_work;
mod m20261204_000040_replan;
pub mod projection;
mod tally;
mod work;

use sea_orm_migration::MigrationTrait;

/// One SQL text as a migration. There is no way down: a shipped migration is mended by a later one.
macro_rules! sql_migration {
    ($name:literal, $up:expr) => {
        pub struct Migration;

        impl sea_orm_migration::MigrationName for Migration {
            fn name(&self) -> &str {
                $name
            }
        }

        #[async_trait::async_trait]
        impl sea_orm_migration::MigrationTrait for Migration {
            async fn up(&self, manager: &sea_orm_migration::SchemaManager) -> Result<(), sea_orm_migration::sea_orm::DbErr> {
                use sea_orm_migration::sea_orm::ConnectionTrait;
                let sql: String = $up;
                manager.get_connection().execute_unprepared(&sql).await.map(drop)
            }

            async fn down(&self, _: &sea_orm_migration::SchemaManager) -> Result<(), sea_orm_migration::sea_orm::DbErr> {
                Err(sea_orm_migration::sea_orm::DbErr::Custom("history only goes forward".into()))
            }
        }
    };
}
pub(crate) use sql_migration;

pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_scope::Migration),
            Box::new(m20261121_000002_identity::Migration),
            Box::new(m20261121_000003_operations::Migration),
            Box::new(m20261121_000004_property::Migration),
            Box::new(m20261121_000005_external_party::Migration),
            Box::new(m20261121_000006_portfolio::Migration),
            Box::new(m20261121_000007_engagement::Migration),
            Box::new(m20261121_000008_ownership::Migration),
            Box::new(m20261121_000009_delegation::Migration),
            Box::new(m20261121_000010_financial_entry::Migration),
            Box::new(m20261121_000011_live::Migration),
            Box::new(m20261121_000012_lean::Migration),
            Box::new(m20261121_000013_across::Migration),
            Box::new(m20261121_000014_engine::Migration),
            Box::new(m20261121_000015_claim::Migration),
            Box::new(m20261121_000016_known::Migration),
            Box::new(m20261125_000017_deadline::Migration),
            Box::new(m20261126_000018_outcome::Migration),
            Box::new(m20261126_000019_contact::Migration),
            Box::new(m20261126_000020_rehearsal::Migration),
            Box::new(m20261126_000021_whose::Migration),
            Box::new(m20261126_000022_search::Migration),
            Box::new(m20261126_000023_release::Migration),
            Box::new(m20261126_000024_decline::Migration),
            Box::new(m20261127_000025_directory::Migration),
            Box::new(m20261128_000026_chain::Migration),
            Box::new(m20261130_000027_quotas::Migration),
            Box::new(m20261130_000028_clocks::Migration),
            Box::new(m20261130_000029_denials::Migration),
            Box::new(m20261130_000030_standing::Migration),
            Box::new(m20261130_000031_events::Migration),
            Box::new(m20261201_000032_offers::Migration),
            Box::new(m20261201_000033_block::Migration),
            Box::new(m20261201_000034_skeleton::Migration),
            Box::new(m20261201_000035_engaged::Migration),
            Box::new(m20261202_000036_intent::Migration),
            Box::new(m20261202_000037_case::Migration),
            Box::new(m20261203_000038_life::Migration),
            Box::new(m20261204_000039_work::Migration),
            Box::new(m20261204_000040_replan::Migration),
        ]
    }
}

pub use sea_orm_migration::{MigrationName, MigratorTrait, sea_orm};

/// The names of all migrations that this binary knows, in order.
pub fn names() -> Vec<String> {
    Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect()
}
