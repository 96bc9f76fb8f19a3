use crate::Listed;
use async_graphql::{InputObject, Object};
use entities::{
    portfolio::PortfolioId,
    report::{self, Report, ReportBy, ReportMeasure, ReportRow, Visible},
};
use garde::Validate;
use schema::{Allowed, Code, Context, Date, Kind, Nullable, Procedure, Result, input, nullable, snapshot, valid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortfolioReportInput {
    /// Over the properties in any of these; over all, if absent.
    #[garde(custom(valid::count(0, 100)))]
    pub portfolio_ids: Option<Vec<PortfolioId>>,
    #[garde(skip)]
    pub by: ReportBy,
    #[garde(skip)]
    pub measure: ReportMeasure,
    /// For amounts: the first day.
    #[garde(skip)]
    pub from: Option<Date>,
    /// For amounts: the first day after.
    #[garde(skip)]
    pub until: Option<Date>,
}

impl PortfolioReportInput {
    fn asked(self, now: chrono::DateTime<chrono::Utc>) -> Report {
        let PortfolioReportInput { portfolio_ids: portfolios, by, measure, from, until } = self;
        Report { portfolios, by, measure, from, until, today: Date(now.date_naive()) }
    }
}

/// The figures of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, async_graphql::SimpleObject)]
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
    const KIND: Kind = Kind::Read;
    const ERRORS: &'static [Code] = &[];
    type Input = PortfolioReportInput;
    type Output = Figures;
    type Subject = Listed;

    fn example() -> PortfolioReportInput {
        PortfolioReportInput {
            portfolio_ids: Some(vec![PortfolioId(uuid::uuid!("01920000-0000-7000-8000-000000000021"))]),
            by: ReportBy::Kind,
            measure: ReportMeasure::Properties,
            from: None,
            until: None,
        }
    }

    async fn subject(_: &Context, _: &PortfolioReportInput) -> Result<Listed> {
        Ok(Listed(Visible::KINDS))
    }

    async fn handle(cx: &Context, allowed: Allowed<Listed>, input: PortfolioReportInput) -> Result<Figures> {
        let visible = Visible::of(|kind| Ok(allowed.filter(kind)))?;
        Ok(Figures { rows: report::report(cx.tx().await?, cx.owner(), visible, input.asked(cx.now())).await? })
    }
}

#[derive(Default)]
pub struct ReportQuery;

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
            input::validate(&asked)?;
            let snapshot = snapshot(cx).await?;
            let visible = Visible::of(|kind| snapshot.filter(kind))?;
            let rows = report::report(&snapshot.tx, snapshot.owner(), visible, asked.asked(snapshot.now)).await?;
            Ok(Some(Figures { rows }))
        })
        .await
    }
}
