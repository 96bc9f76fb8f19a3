//! Outside parties are listed by name.

crate::sql_migration!(
    "m20261121_000005_external_party",
    "CREATE INDEX external_party_name ON external_party (organization_id, name, id);".to_owned()
);
