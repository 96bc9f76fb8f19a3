//! The relations between kinds. They stand above all kinds, so that no kind imports those that hang on it.

use crate::{
    contact::{self, Contact, ContactStatus},
    delegation::Delegation,
    delegation_item::Items,
    engaged_organization::EngagedOrganization,
    engaged_property::{self as engaged, EngagedPropertyFilter},
    external_party::ExternalParty,
    financial_entry::{self, FinancialEntry, FinancialEntryFilter, FinancialEntryOrder},
    history, membership,
    organization::{self, Organization},
    ownership::{self, Ownership},
    portfolio::{self, Portfolio},
    portfolio_property,
    property::{self, Property, PropertyFilter, PropertyOrder},
    report::{self, Report, ReportBy, ReportMeasure, ReportRow},
};
use async_graphql::{ComplexObject, Context, Value};
use futures_util::future::BoxFuture;
use kind::{
    Connection, Filter as _, Listed, Page, Ready,
    one_pass::connections,
    page::{self, Order as _},
    projected,
    relation::{Declared, Plan, children},
    relations,
};
use schema::{Date, Nullable, OrganizationId, input, nullable, snapshot};
use sea_orm::{ColumnTrait, Condition, QueryFilter};
use std::collections::BTreeSet;
use uuid::Uuid;

/// All relations. An object that is not here has none.
pub static ALL: &[&dyn Declared] = &[
    &OF_CONTACT,
    &OF_DELEGATION,
    &OF_ENGAGED_ORGANIZATION,
    &OF_EXTERNAL_PARTY,
    &OF_FINANCIAL_ENTRY,
    &OF_ORGANIZATION,
    &OF_OWNERSHIP,
    &OF_PORTFOLIO,
    &OF_PROPERTY,
];

relations!(OF_CONTACT of Contact {
    /// The outside party that they speak for.
    externalParty: one(ExternalParty, |row| Some((row.organization_id, row.external_party_id?.0))),
});

relations!(OF_DELEGATION of Delegation {
    items: computed(Items::of, &[]),
});

relations!(OF_ENGAGED_ORGANIZATION of EngagedOrganization {
    /// Who it is.
    organization: one(organization::Model, |row| Some((row.organization_id, row.organization_id.0))),
    /// Its properties, of those that the reader may see.
    properties: page(reads &[engaged::KIND, property::KIND], |snapshot, row, (filter, order), page| {
        Box::pin(async move {
            let filter: Option<EngagedPropertyFilter> = filter;
            let filter = EngagedPropertyFilter { organization_ids: Some(vec![row.organization_id]), ..filter.unwrap_or_default() };
            projected::list::<engaged::Model>(snapshot, Some(filter), order, page).await.map(Ready)
        })
    }),
});

relations!(OF_EXTERNAL_PARTY of ExternalParty {
    /// Those who speak for it, by name; without the archived.
    contacts: many(Contact, |tx, keys, visible| {
        use contact::Column::{ExternalPartyId, Name, Status};
        let in_use = visible.add(Status.ne(ContactStatus::Archived));
        Box::pin(children(tx, keys, in_use, (ExternalPartyId, |row: &Contact| row.external_party_id.map_or(Uuid::nil(), Into::into)), Name))
    }),
});

relations!(OF_FINANCIAL_ENTRY of FinancialEntry {
    /// What it was for.
    property: one(property::Model, |row| Some((row.organization_id, row.property_id.0))),
});

relations!(OF_ORGANIZATION of Organization {
    /// Who may act for it, and as what. You see all of them if your role manages members, else your own.
    memberships: page(reads &[membership::KIND], |snapshot, row, (), page| {
        Box::pin(membership::list(snapshot, row.id, page))
    }),
});

relations!(OF_OWNERSHIP of Ownership {
    /// What is owned.
    property: one(property::Model, |row| Some((row.organization_id, row.property_id.0))),
});

relations!(OF_PORTFOLIO of Portfolio {
    report: computed(Figures::of, &[Plan::of("report", report::KINDS)]),
    /// Its properties, of those that the reader may see.
    properties: page(
        reads &[property::KIND],
        |snapshot, row, (filter, order), page| {
            Box::pin(async move {
                let (filter, order): PropertyArguments = (filter, order);
                let within = property::of(row.organization_id).filter(property::in_portfolio(row.id));
                page::list_of::<property::Model>(snapshot, within, filter, order, page).await.map(Ready)
            })
        },
        each properties_of_each
    ),
});

relations!(OF_PROPERTY of Property {
    /// The association that it belongs to, as its owner knows it.
    hoa: one(ExternalParty, |row| Some((row.organization_id, row.hoa_id?.0))),
    /// Who owns it, by what share, from when until when; without what was corrected.
    ownerships: many(Ownership, |tx, keys, visible| {
        use ownership::Column::{CorrectedAt, PropertyId, StartsOn};
        Box::pin(children(tx, keys, visible.add(CorrectedAt.is_null()), (PropertyId, |row: &Ownership| row.property_id.0), StartsOn))
    }),
    /// What came in and went out for it, of what the reader may see.
    financialEntries: page(reads &[financial_entry::KIND], |snapshot, row, (filter, order), page| {
        Box::pin(async move {
            let (filter, order): (Option<FinancialEntryFilter>, Option<FinancialEntryOrder>) = (filter, order);
            let filter = FinancialEntryFilter { property_id: Some(row.id), ..filter.unwrap_or_default() };
            page::list::<FinancialEntry>(snapshot, row.organization_id, Some(filter), order, page).await
        })
    }),
    /// What changed, when, by whom, and by whose leave; newest first.
    history: page(reads &[history::KIND], |snapshot, row, (), page| {
        Box::pin(history::list(snapshot, row.organization_id, property::KIND, row.id.0, page))
    }),
    /// The portfolios that it is in, in their order.
    portfolios: many(Portfolio, portfolio_property::portfolios),
});

type PropertyArguments = (Option<PropertyFilter>, Option<PropertyOrder>);

/// The first page of each portfolio's properties, by one statement.
fn properties_of_each<'a>(cx: &'a Context<'a>, rows: &'a [&'a Portfolio]) -> BoxFuture<'a, Option<Vec<Value>>> {
    Box::pin(async move {
        let Page { first, after: None, last: None, before: None, with_total: false } = Page::asked(cx).ok()? else { return None };
        let size = page::size(first)?;
        let filter: Option<PropertyFilter> = cx.param_value("filter", None).ok()?.1;
        let order: Option<PropertyOrder> = cx.param_value("orderBy", None).ok()?.1;
        input::validate_at("filter", filter.as_ref()).ok()?;
        let organization: OrganizationId =
            rows.first().map(|row| row.organization_id).filter(|one| rows.iter().all(|row| row.organization_id == *one))?;
        let snapshot = snapshot(cx).await.ok()?;
        let which = Condition::all().add(snapshot.filter(property::KIND).ok()?).add(filter.unwrap_or_default().condition());
        // A portfolio may hang on several parents.
        let of: BTreeSet<_> = rows.iter().map(|row| row.id).collect();
        let of: Vec<_> = of.into_iter().collect();
        // Any other order needs all of a portfolio's properties, which is a statement for each.
        let sort =
            Some(order.unwrap_or(property::Model::ELSE).sort()).filter(|sort| matches!(sort.column, property::Column::Id))?;
        let found = portfolio_property::first_of_each(&snapshot.tx, organization, &of, which, sort.descending, size + 1);
        let found = found.await.ok()?;
        let page = |row: &&Portfolio| {
            let properties = found.get(&row.id).cloned().unwrap_or_default();
            page::first(properties, size, sort, |row: &property::Model| row.id.0)
        };
        let pages: Vec<Connection<Property>> = rows.iter().map(page).collect();
        connections(&cx.with_selection_set(&cx.item.node.selection_set), &pages.iter().collect::<Vec<_>>()).await
    })
}

/// The figures of a portfolio.
struct Figures(OrganizationId, portfolio::PortfolioId);

impl Figures {
    fn of(portfolio: &Portfolio) -> Self {
        Figures(portfolio.organization_id, portfolio.id)
    }
}

#[ComplexObject]
impl Figures {
    /// Counts its properties, or adds up their amounts.
    async fn report(
        &self,
        cx: &Context<'_>,
        by: ReportBy,
        measure: ReportMeasure,
        from: Option<Date>,
        until: Option<Date>,
    ) -> Nullable<Vec<ReportRow>> {
        nullable(async {
            let report = Report { portfolios: Some(vec![self.1]), by, measure, from, until };
            report::report(&*snapshot(cx).await?, self.0, report).await.map(Some)
        })
        .await
    }
}
