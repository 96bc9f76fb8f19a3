pub mod add_property;
pub mod archive;
pub mod create;
pub mod financials;
pub mod remove_property;
pub mod report;
pub mod update;

use entities::{
    loading::event,
    portfolio::{self, Portfolio, PortfolioStatus},
    property::{self, PropertyId, PropertyStatus},
};
use schema::{Change, Code, Context, Entry, Error, Result, Workflow};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};

// One a line, so that a new procedure is one line more.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<create::Create>(),
    Entry::of::<update::Update>(),
    Entry::of::<archive::Archive>(),
    Entry::of::<add_property::AddProperty>(),
    Entry::of::<remove_property::RemoveProperty>(),
    Entry::of::<Get>(),
    Entry::of::<List>(),
    Entry::of::<financials::OfOne>(),
    Entry::of::<report::ReportOf>(),
];

const CHANGE: Workflow = Workflow::new("portfolio_change", 1);

crate::reads::reads!(
    portfolio: Portfolio, PortfolioId, PortfolioFilter, PortfolioOrder;
    "One portfolio of the acting organization."
        "portfolio/v1/get" PortfolioGetInput ("01920000-0000-7000-8000-000000000021"), portfolio
        "One portfolio of the acting organization.";
    "The acting organization's portfolios, a page at a time."
        "portfolio/v1/list" PortfolioListInput (PositionAsc), portfolios
        "The acting organization's portfolios.";
    PortfolioQuery
);

fn in_use(row: &portfolio::Model) -> Result<()> {
    match row.status {
        PortfolioStatus::Active => Ok(()),
        PortfolioStatus::Archived => Err(Error::new(Code::PortfolioArchived)),
    }
}

/// Refuses what is not a property in the care of this organization.
async fn known_property(cx: &Context, id: PropertyId) -> Result<()> {
    match property::by_id(cx.owner(), id).one(cx.tx().await?).await? {
        Some(row) if row.status == PropertyStatus::Archived => Err(Error::new(Code::PropertyArchived)),
        Some(_) => Ok(()),
        None => Err(Error::new(Code::InvalidInput).field("propertyId", "NOT_FOUND", "there is no such property")),
    }
}

/// A portfolio of which a property came or went is another version of it.
async fn touched(cx: &Context, row: portfolio::Model, kind: &'static str, property: PropertyId) -> Result<Portfolio> {
    let version = row.version + 1;
    let mut row = row.into_active_model();
    row.version = Set(version);
    row.updated_at = Set(cx.now());
    let row = row.update(cx.tx().await?).await?;
    cx.changed(event(kind, &row, Change::fields(&["properties"]).id("propertyId", Some(property.0))));
    Ok(row.into())
}
