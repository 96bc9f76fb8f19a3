pub mod add_property;
pub mod create;
pub mod financials;
pub mod remove_property;
pub mod report;
pub mod update;

use crate::{prelude::*, property::PROPERTY_ARCHIVED};
use kind::Edit;
use owners::{
    portfolio::{self, Portfolio},
    property::{self, PropertyId},
};

schema::codes! {
    PORTFOLIO_ARCHIVED: Conflict, "The portfolio is archived.";
    PORTFOLIO_NAME_TAKEN: Conflict, "Another portfolio has that name.";
    PROPERTY_NOT_IN_PORTFOLIO: Conflict, "The property is not in that portfolio.";
}

// One entry a line, so that a new procedure adds one line.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<create::Create>(),
    Entry::of::<update::Update>(),
    Entry::of::<Archive>(),
    Entry::of::<add_property::AddProperty>(),
    Entry::of::<remove_property::RemoveProperty>(),
    Entry::of::<Get>(),
    Entry::of::<List>(),
    Entry::of::<financials::OfOne>(),
    Entry::of::<report::ReportOf>(),
];

const CHANGE: Runs = Runs::mutation("portfolio_change", 1);

shelf!(
    portfolio: Portfolio, CHANGE;
    "portfolio/v1/archive" PortfolioArchiveInput
        "Puts a portfolio aside. Its properties stay in it, and in care." PORTFOLIO_ARCHIVED;
);

reads!(
    portfolio: Portfolio;
    "One portfolio of the acting organization."
        "portfolio/v1/get" PortfolioGetInput, portfolio
        "One portfolio of the acting organization.";
    "The acting organization's portfolios, a page at a time."
        "portfolio/v1/list" PortfolioListInput (PositionAsc), portfolios
        "The acting organization's portfolios.";
    PortfolioQuery
);

/// Refuses an id that is not a property of this organization, and a property that is archived.
async fn ensure_property(cx: &Context, id: PropertyId) -> Result<()> {
    match property::by_id(cx.owner(), id).one(cx.tx().await?).await? {
        Some(row) => ensure_in_use(&row, PROPERTY_ARCHIVED),
        None => Err(Error::new(Code::INVALID_INPUT).field("propertyId", "NOT_FOUND", "there is no such property")),
    }
}

/// Saves a portfolio as its next version, since a property came or went.
async fn touched(cx: &Context, mut row: Edit<Portfolio>, verb: &'static str, property: PropertyId) -> Result<Portfolio> {
    row.related("properties");
    row.refers("propertyId", property.0);
    cx.save(row, verb).await
}
