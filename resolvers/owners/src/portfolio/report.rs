use crate::prelude::*;
use async_graphql::{Object, SimpleObject};
use kind::{Plan, Root};
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
}

impl PortfolioReportInput {
    async fn read(self, reading: &dyn Reading) -> Result<Figures> {
        let PortfolioReportInput { portfolio_ids: portfolios, by, measure, from, until } = self;
        let report = Report { portfolios, by, measure, from, until };
        Ok(Figures { rows: report::report(reading, reading.owner(), report).await? })
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
        }
    }

    async fn subject(_: &Context, _: &PortfolioReportInput) -> Result<Listed> {
        Ok(Listed(report::KINDS))
    }

    async fn handle(cx: &Context, allowed: Allowed<Listed>, input: PortfolioReportInput) -> Result<Figures> {
        input.read(&cx.proven(&allowed)).await
    }
}

#[derive(Default)]
pub struct ReportQuery;

impl Root for ReportQuery {
    const PLANS: &'static [Plan] = &[Plan::named("report", report::KINDS)];
}

#[Object]
impl ReportQuery {
    /// Counts properties, or adds up amounts, over portfolios; over all properties if none is named.
    async fn report(
        &self,
        cx: &async_graphql::Context<'_>,
        portfolio_ids: Option<Vec<PortfolioId>>,
        by: ReportBy,
        measure: ReportMeasure,
        from: Option<Date>,
        until: Option<Date>,
    ) -> Nullable<Figures> {
        nullable(async {
            let asked = PortfolioReportInput { portfolio_ids, by, measure, from, until };
            schema::input::validate(&asked)?;
            asked.read(&*snapshot(cx).await?).await.map(Some)
        })
        .await
    }
}
