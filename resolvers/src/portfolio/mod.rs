pub mod add_property;
pub mod archive;
pub mod create;
pub mod get;
pub mod list;
pub mod remove_property;
pub mod update;

use async_graphql::Object;
use entities::{
    page::{Connection, Page},
    portfolio::{self, Portfolio, PortfolioFilter, PortfolioId, PortfolioOrder, PortfolioStatus},
    property::{self, PropertyId, PropertyStatus},
};
use schema::{Change, Code, Context, Entry, Error, NewEvent, Nullable, Result, Workflow, input, nullable, snapshot};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel, QueryFilter};

// One a line, so that a new procedure is one line more.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<create::Create>(),
    Entry::of::<update::Update>(),
    Entry::of::<archive::Archive>(),
    Entry::of::<add_property::AddProperty>(),
    Entry::of::<remove_property::RemoveProperty>(),
    Entry::of::<get::Get>(),
    Entry::of::<list::List>(),
];

const CHANGE: Workflow = Workflow::new("portfolio_change", 1);

#[derive(Default)]
pub struct PortfolioQuery;

#[Object]
impl PortfolioQuery {
    /// One portfolio of the acting organization.
    async fn portfolio(&self, cx: &async_graphql::Context<'_>, id: PortfolioId) -> Nullable<Portfolio> {
        nullable(async {
            let snapshot = snapshot(cx).await?;
            let select = portfolio::by_id(snapshot.actor.organization, id).filter(snapshot.filter(portfolio::KIND)?);
            let row = select.one(&snapshot.tx).await?.ok_or_else(|| Error::new(Code::NotFound))?;
            Ok(Some(row.into()))
        })
        .await
    }

    /// The acting organization's portfolios.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
    async fn portfolios(
        &self,
        cx: &async_graphql::Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<PortfolioFilter>,
        order_by: Option<PortfolioOrder>,
    ) -> Nullable<Connection<Portfolio>> {
        let page = Page { first, after, last, before, with_total: cx.look_ahead().field("totalCount").exists() };
        nullable(async {
            input::validate_at("filter", filter.as_ref())?;
            let snapshot = snapshot(cx).await?;
            let visible = snapshot.filter(portfolio::KIND)?;
            portfolio::list(&snapshot.tx, snapshot.actor.organization, visible, filter, order_by, page).await.map(Some)
        })
        .await
    }
}

fn event(kind: &'static str, row: &portfolio::Model, change: Change) -> NewEvent {
    NewEvent {
        organization: row.organization_id,
        kind,
        resource_kind: portfolio::KIND,
        resource_id: row.id.0,
        version: row.version,
        change,
    }
}

fn in_use(row: &portfolio::Model) -> Result<()> {
    match row.status {
        PortfolioStatus::Active => Ok(()),
        PortfolioStatus::Archived => Err(Error::new(Code::PortfolioArchived)),
    }
}

/// Refuses what is not a property in the care of this organization.
async fn known_property(cx: &Context, id: PropertyId) -> Result<()> {
    match property::by_id(cx.organization(), id).one(cx.tx().await?).await? {
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
