//! Quotas: how many of something there may be at a time. Each has a default here; an organization may have its own, which the
//! deployment's administrator writes into the table `quota`.

use crate::{Code, Error, OrganizationId, Result};
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The most of something that may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The things, as a client reads them in `details.quota`.
    pub name: &'static str,
    pub most: u32,
    pub about: &'static str,
}

macro_rules! quotas {
    ($(#[doc = $about:literal] $quota:ident = $name:literal, $most:literal;)*) => {
        $(#[doc = $about] pub const $quota: Quota = Quota { name: $name, most: $most, about: $about.trim_ascii() };)*

        /// All quotas.
        pub const ALL: &[Quota] = &[$($quota),*];
    };
}

quotas! {
    /// Delegations one below the other.
    DEPTH = "delegationsInAChain", 10;
    /// Delegations that rest on one, directly.
    BELOW = "delegationsThatRestOnOne", 1_000;
    /// Delegations that one person gave in an organization.
    GIVEN = "delegationsGivenByOne", 5_000;
    /// Delegations that one person holds in an organization.
    HELD = "delegationsHeldByOne", 500;
    /// Properties and portfolios that one delegation names.
    ITEMS = "itemsOfADelegation", 200;
    /// Grants that an organization gave to others.
    GRANTS = "accessGrantsGiven", 1_000;
    /// Open invitations of an organization.
    INVITATIONS = "openInvitations", 1_000;
    /// Open invitations to one person by one who invites, from all organizations.
    INVITATIONS_TO_ONE = "openInvitationsToOne", 20;
    /// Organizations that one person founded.
    FOUNDED = "organizationsFoundedByOne", 100;
    /// Services and agents that an organization registered.
    MACHINES = "principalsRegistered", 200;
    /// Portfolios that one property is in.
    PORTFOLIOS_OF_A_PROPERTY = "portfoliosOfAProperty", 20;
    /// Records of who owns one property, those that were corrected left out.
    OWNERSHIPS = "ownershipsOfAProperty", 100;
    /// Contacts that speak for one outside party, the archived left out.
    CONTACTS_OF_A_PARTY = "contactsOfAParty", 100;
    /// Questions that are put about one case.
    QUESTIONS_OF_A_CASE = "questionsOfACase", 200;
    /// Things of one kind in an organization, such as properties or contacts.
    THINGS = "thingsOfAKind", 100_000;
}

/// The numbers of things that organizations have, as they were counted a short while ago. Only near its quota is a kind counted anew
/// for each new thing.
#[derive(Default)]
pub struct Things(Mutex<HashMap<(OrganizationId, &'static str), Counted>>);

struct Counted {
    there: u64,
    most: u64,
    at: Instant,
}

/// A count is good for this long: other replicas add meanwhile, too.
const GOOD: Duration = Duration::from_secs(60);
/// The most counts that are kept.
const KEPT: usize = 10_000;

impl Things {
    fn lock(&self) -> MutexGuard<'_, HashMap<(OrganizationId, &'static str), Counted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses one more thing of a kind, if an organization has as many as it may. `open` is the condition of those that have not ended.
    pub async fn ensure(
        &self,
        db: &impl ConnectionTrait,
        organization: OrganizationId,
        table: &'static str,
        open: &str,
    ) -> Result<()> {
        {
            let mut all = self.lock();
            if let Some(counted) = all.get_mut(&(organization, table)).filter(|counted| counted.at.elapsed() < GOOD) {
                counted.there += 1;
                // A tenth is left for the others.
                if counted.there < counted.most - counted.most / 10 {
                    return Ok(());
                }
            }
        }
        let (there, most) =
            THINGS.count(db, organization, &format!("SELECT FROM {table} WHERE organization_id = $1{open}"), []).await?;
        let mut all = self.lock();
        if all.len() >= KEPT {
            all.retain(|_, counted| counted.at.elapsed() < GOOD);
        }
        all.insert((organization, table), Counted { there, most, at: Instant::now() });
        drop(all);
        THINGS
            .ensure_below(there, most)
            .map_err(|error| error.details(serde_json::json!({ "quota": THINGS.name, "kind": table, "most": most })))
    }
}

impl Quota {
    /// Refuses one more, if as many are there as may be.
    pub fn ensure(self, there: u64) -> Result<()> {
        self.ensure_below(there, u64::from(self.most))
    }

    fn ensure_below(self, there: u64, most: u64) -> Result<()> {
        if there < most {
            return Ok(());
        }
        Err(Error::new(Code::QUOTA_EXCEEDED).details(serde_json::json!({ "quota": self.name, "most": most })))
    }

    /// The same of the rows of an organization that a query finds, whose first parameter is the organization. It stops to count at
    /// the most.
    pub async fn ensure_rows(
        self,
        db: &impl ConnectionTrait,
        organization: OrganizationId,
        rows: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<()> {
        let (there, most) = self.count(db, organization, rows, values).await?;
        self.ensure_below(there, most)
    }

    /// The number of these rows, up to the most that may be there, and that most.
    async fn count(
        self,
        db: &impl ConnectionTrait,
        organization: OrganizationId,
        rows: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<(u64, u64)> {
        let Quota { name, most, .. } = self;
        let own = format!("SELECT most FROM quota WHERE quota.organization_id = $1 AND quota.name = '{name}'");
        let sql = format!(
            "WITH most AS MATERIALIZED (SELECT coalesce(({own}), {most})::bigint AS most)
             SELECT (SELECT count(*) FROM ({rows} LIMIT (SELECT most FROM most)) AS rows) AS there, most FROM most"
        );
        let values = [organization.0.into()].into_iter().chain(values);
        let row = db.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
        let number = |column: &str| row.as_ref().map_or(Ok(0), |row| row.try_get::<i64>("", column));
        Ok((number("there")?.unsigned_abs(), number("most")?.unsigned_abs()))
    }
}
