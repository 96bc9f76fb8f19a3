use crate::prelude::*;
use async_graphql::{Object, SimpleObject};
use kind::{Plan, Root, Scope, Scoped};
use owners::{
    portfolio::PortfolioId,
    report::{self, Report, ReportBy, ReportMeasure, ReportRow},
};
use schema::{Nullable, Reading, nullable, snapshot};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[input]
pub struct PortfolioReportInput {
    /// Over the properties in any of these; over all, if absent.
    #[count(0, 100)]
    pub portfolio_ids: Option<Vec<PortfolioId>>,
    pub by: ReportBy,
    pub measure: ReportMeasure,
    /// For amounts: the first day.
    pub from: Option<Date>,
    /// For amounts: the first day after.
    pub until: Option<Date>,
    /// Whether archived properties count as well.
    pub with_archived: Option<bool>,
}

impl PortfolioReportInput {
    async fn read(self, reading: &dyn Reading, owner: OrganizationId) -> Result<Figures> {
        let PortfolioReportInput { portfolio_ids: portfolios, by, measure, from, until, with_archived } = self;
        let with_archived = with_archived.unwrap_or_default();
        let report = Report { portfolios, by, measure, from, until, with_archived };
        Ok(Figures { rows: report::report(reading, owner, report).await? })
    }
}

/// The figures of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase")]
#[graphql(name = "Report")]
#[schemars(rename = "Report")]
pub struct Figures {
    pub rows: Vec<ReportRow>,
}

pub struct ReportOf;

impl Procedure for ReportOf {
    const NAME: &'static str = "portfolio/v1/report";
    const ABOUT: &'static str = "Counts properties, or adds up amounts, over portfolios.";
    const RUNS: Runs = Runs::Read;
    const ROWS: u64 = 500;
    const ERRORS: &'static [Code] = &[];
    type Input = PortfolioReportInput;
    type Output = Figures;
    type Subject = Listed;

    fn example() -> PortfolioReportInput {
        PortfolioReportInput {
            portfolio_ids: Some(vec![PortfolioId::EXAMPLE]),
            by: ReportBy::Kind,
            measure: ReportMeasure::Properties,
            from: None,
            until: None,
            with_archived: None,
        }
    }

    async fn subject(_: &Context, _: &PortfolioReportInput) -> Result<Listed> {
        Ok(Listed(report::KINDS))
    }

    async fn handle(cx: &Context, allowed: Allowed<Listed>, input: PortfolioReportInput) -> Result<Figures> {
        input.read(&cx.proven(&allowed), cx.owner()).await
    }
}

#[derive(Default)]
pub struct ReportQuery(Scope);

impl Scoped for ReportQuery {
    fn of(scope: Scope) -> Self {
        ReportQuery(scope)
    }
}

impl Root for ReportQuery {
    const PLANS: &'static [Plan] = &[Plan::named("report", report::KINDS)];
}

#[Object]
impl ReportQuery {
    /// Counts properties, or adds up amounts, over portfolios; over all properties if none is named.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a field")]
    async fn report(
        &self,
        cx: &async_graphql::Context<'_>,
        portfolio_ids: Option<Vec<PortfolioId>>,
        by: ReportBy,
        measure: ReportMeasure,
        from: Option<Date>,
        until: Option<Date>,
        with_archived: Option<bool>,
    ) -> Nullable<Figures> {
        nullable(async {
            let asked = PortfolioReportInput { portfolio_ids, by, measure, from, until, with_archived };
            schema::input::validate(&asked)?;
            let snapshot = snapshot(cx).await?;
            let owner = self.0.owner(&*snapshot).await?;
            asked.read(&*snapshot, owner).await.map(Some)
        })
        .await
    }
}
