//! The limit: what the same rows cost by hand-written SQL over a pipelined connection, under the same row security, without
//! HTTP, GraphQL, policy or anything else.

use crate::ground::{self, Asker, Ground};
use futures_util::future::{try_join, try_join4};
use server::Fault;
use tokio_postgres::{Client, NoTls, Row, Statement};
use uuid::Uuid;

pub struct Direct {
    client: Client,
    portfolios: Statement,
    properties: Statement,
    holders: Statement,
    property: Statement,
    groups: Statement,
    page: Statement,
    next: Statement,
    bare: Statement,
}

pub const BARE: &str = "CREATE TABLE IF NOT EXISTS bare (id uuid PRIMARY KEY, line1 text NOT NULL, at timestamptz NOT NULL);
    GRANT INSERT ON bare TO hestami_app";

impl Direct {
    pub async fn several(ground: &Ground, many: usize) -> Result<Vec<Direct>, Fault> {
        ground::execute(ground, BARE.to_owned()).await?;
        futures_util::future::try_join_all((0..many).map(|_| Direct::open(ground))).await
    }

    async fn open(ground: &Ground) -> Result<Direct, Fault> {
        let (client, connection) = tokio_postgres::connect(&ground.url("hestami_app"), NoTls).await?;
        tokio::spawn(connection);
        const PAGE: &str = "SELECT id, kind, status, updated_at::text, line1, locality FROM property
            WHERE organization_id = $1 AND status = 'ACTIVE' AND kind = 'SINGLE_FAMILY'";
        const ORDER: &str = "ORDER BY line1, id LIMIT 51";
        Ok(Direct {
            portfolios: client
                .prepare("SELECT id, name, position FROM portfolio WHERE organization_id = $1 ORDER BY position, id LIMIT 21")
                .await?,
            properties: client
                .prepare(
                    "SELECT * FROM (SELECT m.portfolio_id, p.id, p.kind, p.status, p.line1, p.locality,
                       row_number() OVER (PARTITION BY m.portfolio_id ORDER BY p.id) AS n
                     FROM portfolio_property m JOIN property p ON p.organization_id = m.organization_id AND p.id = m.property_id
                     WHERE m.organization_id = $1 AND m.portfolio_id = ANY($2) AND m.removed_at IS NULL) AS all_of_them WHERE n <= 6",
                )
                .await?,
            holders: client
                .prepare(
                    "SELECT property_id, id, holder_name, capacity, share_basis_points, starts_on::text FROM ownership
                     WHERE organization_id = $1 AND property_id = ANY($2) AND corrected_at IS NULL ORDER BY starts_on, id",
                )
                .await?,
            property: client
                .prepare("SELECT id, kind, status, line1, locality FROM property WHERE organization_id = $1 AND id = $2")
                .await?,
            groups: client
                .prepare(
                    "SELECT g.id, g.name FROM portfolio_property m
                     JOIN portfolio g ON g.organization_id = m.organization_id AND g.id = m.portfolio_id
                     WHERE m.organization_id = $1 AND m.property_id = $2 AND m.removed_at IS NULL ORDER BY g.position, g.id",
                )
                .await?,
            page: client.prepare(&format!("{PAGE} {ORDER}")).await?,
            next: client.prepare(&format!("{PAGE} AND (line1, id) > ($2, $3) {ORDER}")).await?,
            bare: client.prepare("INSERT INTO bare (id, line1, at) VALUES ($1, '1 First Street', now())").await?,
            client,
        })
    }

    async fn begin(&self, asker: &Asker) -> Result<(), Fault> {
        let sql = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL app.organization_id = '{}'; SET LOCAL app.now = '2026-11-21T12:00:00Z'",
            asker.organization
        );
        Ok(self.client.batch_execute(&sql).await?)
    }

    async fn end(&self) -> Result<(), Fault> {
        Ok(self.client.batch_execute("ROLLBACK").await?)
    }

    async fn rows(
        &self,
        statement: &Statement,
        values: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> Result<Vec<Row>, Fault> {
        Ok(self.client.query(statement, values).await?)
    }

    /// R1.
    pub async fn nested(&self, asker: &Asker) -> Result<(), Fault> {
        let organization = asker.organization;
        let ((), portfolios) = try_join(self.begin(asker), self.rows(&self.portfolios, &[&organization])).await?;
        let ids: Vec<Uuid> = portfolios.iter().take(20).map(|row| row.get(0)).collect();
        let properties = self.rows(&self.properties, &[&organization, &ids]).await?;
        let ids: Vec<Uuid> = properties.iter().map(|row| row.get(1)).collect();
        let (holders, ()) = try_join(self.rows(&self.holders, &[&organization, &ids]), self.end()).await?;
        expect(holders.len() == 300, "300 ownerships")
    }

    /// R2.
    pub async fn one(&self, asker: &Asker, property: Uuid) -> Result<(), Fault> {
        let organization = asker.organization;
        let ids = vec![property];
        let ((), found, (groups, holders), ()) = try_join4(
            self.begin(asker),
            self.rows(&self.property, &[&organization, &property]),
            try_join(self.rows(&self.groups, &[&organization, &property]), self.rows(&self.holders, &[&organization, &ids])),
            self.end(),
        )
        .await?;
        expect(found.len() == 1 && groups.len() == 1 && holders.len() == 3, "one property with its portfolio and owners")
    }

    /// R3.
    pub async fn list(&self, asker: &Asker, after: Option<&(String, Uuid)>) -> Result<(), Fault> {
        let organization = asker.organization;
        let rows = async {
            match after {
                None => self.rows(&self.page, &[&organization]).await,
                Some((line1, id)) => self.rows(&self.next, &[&organization, line1, id]).await,
            }
        };
        let ((), rows, ()) = futures_util::future::try_join3(self.begin(asker), rows, self.end()).await?;
        expect(rows.len() == 51, "a page and one more")
    }

    /// A row, and its commit.
    pub async fn write(&self) -> Result<(), Fault> {
        self.client.execute(&self.bare, &[&crate::ground::fresh()]).await?;
        Ok(())
    }
}

fn expect(right: bool, what: &str) -> Result<(), Fault> {
    if right { Ok(()) } else { Err(format!("not {what}").into()) }
}
