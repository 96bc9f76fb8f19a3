//! Servers and rows of their own: organizations with portfolios, properties and owners, by COPY.

use server::{
    Fault,
    embedded::{Folders, Stack, Tuning},
    secrets::{self, Secrets},
    serve,
};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::{
    fmt::Write,
    ops::Range,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};
use uuid::Uuid;

pub const PORTFOLIOS: u64 = 20;
/// In each portfolio.
pub const PROPERTIES: u64 = 5;
pub const OWNERSHIPS: u64 = 3;
/// Organizations that load comes from and goes to.
const ACTIVE: u64 = 64;
const AT: &str = "2026-01-05 08:00:00+00";

#[derive(Debug, Clone, Copy)]
pub enum Of {
    Organization,
    Principal,
    Membership,
    Portfolio,
    Property,
    Ownership,
}

/// The id of the nth of a kind.
pub fn id(of: Of, n: u64) -> Uuid {
    Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 | (of as u128 + 1) << 40 | u128::from(n))
}

/// Someone who asks for an organization.
#[derive(Debug, Clone)]
pub struct Asker {
    pub n: u64,
    pub organization: Uuid,
    pub token: String,
}

pub struct Ground {
    pub stack: Stack,
    pub secrets: Secrets,
    pub home: PathBuf,
    pub organizations: u64,
}

impl Ground {
    /// Embedded servers in a folder of their own, migrated.
    pub async fn new() -> Result<Ground, Fault> {
        let root = root();
        static GROUNDS: AtomicU32 = AtomicU32::new(0);
        let nth = GROUNDS.fetch_add(1, Ordering::Relaxed);
        let home = std::env::temp_dir().join(format!("hestami-bench-{}-{nth}", std::process::id()));
        std::fs::create_dir_all(&home)?;
        let folders = Folders::lay_out(&home, &root.join("embedded/node_modules"))?;
        let policies = root.join("authz/policies");
        let secrets = Secrets::load_or_make(&home)?;
        std::fs::write(home.join("jwks.json"), serde_json::to_vec(&secrets.jwks()?)?)?;
        let stack = Stack::start(folders, &secrets.database_password, Some(&policies), Tuning::default()).await?;
        stack.postgres.prepare("bench").await?;
        serve::migrate(&stack.postgres.url("hestami_owner", "bench")).await?;
        stack.postgres.open().await?;
        Ok(Ground { stack, secrets, home, organizations: 0 })
    }

    pub fn url(&self, role: &str) -> String {
        self.stack.postgres.url(role, "bench")
    }

    pub async fn connect(&self) -> Result<PgConnection, Fault> {
        Ok(PgConnection::connect(&self.url("postgres")).await?)
    }

    /// These organizations, with so many times the properties. Their ids follow from their numbers.
    pub async fn fill(&mut self, range: Range<u64>, times: u64) -> Result<(), Fault> {
        let mut connection = self.connect().await?;
        connection.execute("SET session_replication_role = replica").await?;
        let mut tables = Tables::default();
        for n in range.clone() {
            tables.organization(n, PROPERTIES * times)?;
            if tables.size() > 64 << 20 || n + 1 == range.end {
                std::mem::take(&mut tables).copy(&mut connection).await?;
            }
        }
        self.organizations = self.organizations.max(range.end);
        connection.execute("VACUUM ANALYZE").await?;
        connection.execute("CHECKPOINT").await?;
        Ok(())
    }

    pub fn token(&self, subject: &str) -> Result<String, Fault> {
        let now = i64::try_from(std::time::UNIX_EPOCH.elapsed()?.as_secs())?;
        let claims = secrets::claims("hestami", subject, Some(&format!("{subject}@example.com")), None, now, 36_000);
        self.secrets.sign(&claims)
    }

    pub fn asker(&self, n: u64) -> Result<Asker, Fault> {
        Ok(Asker { n, organization: id(Of::Organization, n), token: self.token(&format!("owner-{n}"))? })
    }

    /// Spread over these organizations.
    pub fn askers(&self, range: Range<u64>) -> Result<Vec<Asker>, Fault> {
        let many = range.end - range.start;
        (0..ACTIVE.min(many)).map(|k| self.asker(range.start + k * many / ACTIVE.min(many))).collect()
    }

    pub async fn stop(self) {
        self.stack.stop().await;
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

/// For what is asked for once: a run is not repeated to the byte.
#[expect(clippy::disallowed_methods, reason = "load has keys of its own each time")]
pub fn fresh() -> Uuid {
    Uuid::new_v4()
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The number of a property: where in which portfolio of which organization.
pub fn property(organization: u64, k: u64) -> Uuid {
    id(Of::Property, organization << 16 | k)
}

#[derive(Default)]
struct Tables {
    organization: String,
    principal: String,
    membership: String,
    epoch: String,
    head: String,
    portfolio: String,
    property: String,
    member: String,
    ownership: String,
}

impl Tables {
    fn organization(&mut self, n: u64, properties: u64) -> Result<(), std::fmt::Error> {
        let (organization, principal) = (id(Of::Organization, n), id(Of::Principal, n));
        writeln!(self.organization, "{organization}\tTRUST_OR_LLC\tHolding {n}\t1\t{AT}\t{AT}")?;
        let issuer = secrets::ISSUER;
        writeln!(self.principal, "{principal}\tHUMAN\t{issuer}\towner-{n}\towner-{n}@example.com\t{AT}\t{AT}")?;
        let membership = id(Of::Membership, n);
        writeln!(
            self.membership,
            "{organization}\t{membership}\t{principal}\tOWNER\tACTIVE\t{AT}\t{principal}\t{AT}\t{AT}\t{AT}"
        )?;
        writeln!(self.epoch, "{organization}\t{principal}\t1")?;
        writeln!(self.head, "{organization}")?;
        for p in 0..PORTFOLIOS {
            let portfolio = id(Of::Portfolio, n << 16 | p);
            writeln!(self.portfolio, "{organization}\t{portfolio}\tGroup {p}\t{p}\tACTIVE\t1\t{AT}\t{AT}")?;
            for k in p * properties..(p + 1) * properties {
                let house = property(n, k);
                let kind = if k % 6 == 5 { "CONDOMINIUM" } else { "SINGLE_FAMILY" };
                writeln!(
                    self.property,
                    "{organization}\t{house}\t{kind}\t{} Palo Verde Place\tPhoenix\tAZ\t85003\tUS\tAmerica/Phoenix\tACTIVE\t1\t{AT}\t{AT}",
                    100 + k * 7919 % 60_000
                )?;
                writeln!(self.member, "{organization}\t{portfolio}\t{house}\t{k}\t{AT}")?;
                for o in 0..OWNERSHIPS {
                    let ownership = id(Of::Ownership, n << 20 | k << 2 | o);
                    writeln!(
                        self.ownership,
                        "{organization}\t{ownership}\t{house}\tHolder {o} of {k}\tCO_OWNER\t3333\t2020-01-0{}\t{principal}\t1\t{AT}\t{AT}",
                        o + 1
                    )?;
                }
            }
        }
        Ok(())
    }

    fn size(&self) -> usize {
        self.property.len() + self.ownership.len()
    }

    async fn copy(self, connection: &mut PgConnection) -> Result<(), Fault> {
        for (table, rows) in [
            ("organization (id, type, name, version, created_at, updated_at)", self.organization),
            ("principal (id, kind, issuer, subject, email, created_at, updated_at)", self.principal),
            (
                "membership (organization_id, id, principal_id, role, state, starts_at, invited_by, accepted_at, created_at, updated_at)",
                self.membership,
            ),
            ("authority_epoch (organization_id, holder_id, epoch)", self.epoch),
            ("org_head (organization_id)", self.head),
            ("portfolio (organization_id, id, name, position, status, version, created_at, updated_at)", self.portfolio),
            (
                "property (organization_id, id, kind, line1, locality, region, postal_code, country, time_zone, status, version, created_at, updated_at)",
                self.property,
            ),
            ("portfolio_property (organization_id, portfolio_id, property_id, position, added_at)", self.member),
            (
                "ownership (organization_id, id, property_id, holder_name, capacity, share_basis_points, starts_on, recorded_by, version, created_at, updated_at)",
                self.ownership,
            ),
        ] {
            let mut into = connection.copy_in_raw(&format!("COPY {table} FROM STDIN")).await?;
            into.send(rows.into_bytes()).await?;
            into.finish().await?;
        }
        Ok(())
    }
}

/// One statement, as the superuser.
pub async fn execute(ground: &Ground, sql: String) -> Result<(), Fault> {
    ground.connect().await?.execute(AssertSqlSafe(sql)).await?;
    Ok(())
}
