//! The relations between kinds. They stand above all kinds, so that no kind imports those that hang on it.

use crate::{
    access_grant::{self, AccessGrant},
    block::{self, Block},
    change::ResourceChange,
    contact::{self, Contact, ContactStatus},
    delegation::{self, Delegation},
    delegation_item::{Item, Items},
    doer::Leave,
    engaged_organization::EngagedOrganization,
    engaged_property::{self as engaged, EngagedPropertyFilter},
    external_party::{self, ExternalParty},
    financial_entry::{self, FinancialEntry, FinancialEntryFilter, FinancialEntryOrder},
    history::{self, HistoryEntry},
    membership::{self, Membership},
    operation::{self, Operation},
    organization::{self, Organization},
    organization_card::{self, OrganizationCard},
    ownership::{self, Ownership},
    person::{self, Actor},
    portfolio::{self, Portfolio},
    portfolio_property,
    property::{self, Property, PropertyFilter, PropertyId, PropertyOrder},
    report::{self, Financials, Report, ReportBy, ReportMeasure, ReportRow},
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
use schema::{Date, Nullable, OrganizationId, input, load_one, nullable, snapshot};
use sea_orm::{ColumnTrait, Condition, QueryFilter};
use std::collections::BTreeSet;
use uuid::Uuid;

/// All relations. An object that is not here has none.
pub static ALL: &[&dyn Declared] = &[
    &OF_ACCESS_GRANT,
    &OF_ACTOR,
    &OF_BLOCK,
    &OF_CONTACT,
    &OF_DELEGATION,
    &OF_DELEGATION_ITEM,
    &OF_ENGAGED_ORGANIZATION,
    &OF_EXTERNAL_PARTY,
    &OF_FINANCIAL_ENTRY,
    &OF_HISTORY_ENTRY,
    &OF_MEMBERSHIP,
    &OF_OPERATION,
    &OF_ORGANIZATION,
    &OF_RESOURCE_CHANGE,
    &OF_OWNERSHIP,
    &OF_PORTFOLIO,
    &OF_PROPERTY,
];

relations!(OF_ACCESS_GRANT of AccessGrant {
    /// Who gave it.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
    /// Who was let in.
    granteeOrganization: known(OrganizationCard, |row| Some(row.grantee_organization_id.0)),
    /// Who let them in.
    grantedByActor: known(Actor, |row| Some(row.granted_by.0)),
    /// Who accepted it, of the desk.
    acceptedByActor: known(Actor, |row| Some(row.accepted_by?.0)),
    /// Who took it back, declined it or gave it back.
    revokedByActor: known(Actor, |row| Some(row.revoked_by?.0)),
    /// What changed, when, by whom, and by whose leave; newest first.
    history: history(access_grant::KIND),
});

relations!(OF_ACTOR of Actor {
    onBehalfOf: computed(|row| Leave(row.leave), &[Plan::of("onBehalfOf", crate::NAMES)]),
});

relations!(OF_BLOCK of Block {
    /// Where they are blocked.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
    /// Who is blocked.
    principal: known(Actor, |row| Some(row.principal_id.0)),
    /// Who blocked them.
    blockedByActor: known(Actor, |row| Some(row.blocked_by.0)),
    /// Who lifted it.
    endedByActor: known(Actor, |row| Some(row.ended_by?.0)),
    /// What changed, when, by whom, and by whose leave; newest first.
    history: history(block::KIND),
});

relations!(OF_CONTACT of Contact {
    /// Whose contact it is.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
    /// What changed, when, by whom, and by whose leave; newest first.
    history: history(contact::KIND),
    /// The outside party that they speak for.
    externalParty: one(ExternalParty, |row| Some((row.organization_id, row.external_party_id?.0))),
});

relations!(OF_DELEGATION of Delegation {
    /// Whose things it is about.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
    /// Who may do something by it.
    holder: known(Actor, |row| Some(row.holder_id.0)),
    /// Who gave it.
    grantor: known(Actor, |row| Some(row.grantor_id.0)),
    /// The delegation that it rests on.
    parent: one(Delegation, |row| Some((row.organization_id, row.parent_id?.0))),
    /// The member at the beginning of the chain.
    root: known(Actor, |row| Some(row.root_id.0)),
    /// Who ended it.
    endedByActor: known(Actor, |row| Some(row.ended_by?.0)),
    /// What changed, when, by whom, and by whose leave; newest first.
    history: history(delegation::KIND),
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

relations!(OF_DELEGATION_ITEM of Item {
    /// The property, if the reader may see it.
    property: one(property::Model, |row| Some((row.organization_id, row.property_id?.0))),
    /// The portfolio, if the reader may see it.
    portfolio: one(portfolio::Model, |row| Some((row.organization_id, row.portfolio_id?.0))),
});

relations!(OF_EXTERNAL_PARTY of ExternalParty {
    /// Who knows it.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
    /// The organization that it is here, if the reader has to do with that.
    linkedOrganization: known(OrganizationCard, |row| Some(row.linked_organization_id?.0)),
    /// What changed, when, by whom, and by whose leave; newest first.
    history: history(external_party::KIND),
    /// Those who speak for it, by name; without the archived.
    contacts: many(Contact, |tx, keys, visible| {
        use contact::Column::{ExternalPartyId, Name, Status};
        let in_use = visible.add(Status.ne(ContactStatus::Archived));
        Box::pin(children(tx, keys, in_use, (ExternalPartyId, |row: &Contact| row.external_party_id.map_or(Uuid::nil(), Into::into)), Name))
    }),
});

relations!(OF_FINANCIAL_ENTRY of FinancialEntry {
    /// Whose money it is.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
    /// Who wrote it down.
    recordedByActor: known(Actor, |row| Some(row.recorded_by.0)),
    /// The entry that it stands in the place of.
    corrects: one(financial_entry::Model, |row| Some((row.organization_id, row.corrects_id?.0))),
    /// What changed, when, by whom, and by whose leave; newest first.
    history: history(financial_entry::KIND),
    /// What it was for.
    property: one(property::Model, |row| Some((row.organization_id, row.property_id.0))),
});

relations!(OF_HISTORY_ENTRY of HistoryEntry {
    node: computed(HistoryEntry::thing, &[Plan::of("node", crate::NAMES)]),
    actor: computed(HistoryEntry::doer, &[
        Plan::of("actor", &[person::KIND, organization_card::KIND]),
        Plan::of("actorName", &[person::KIND, organization_card::KIND]),
    ]),
    sentence: computed(HistoryEntry::told, &[Plan::of("sentence", &[person::KIND, organization_card::KIND])]),
    /// The organization that they acted for.
    actorOrganization: known(OrganizationCard, |row| Some(row.actor_organization_id.0)),
    /// The mutation that did it, if it was the acting organization's and is still kept.
    operation: one(operation::Model, |row| Some((row.actor_organization_id, row.operation_id.0))),
});

relations!(OF_MEMBERSHIP of Membership {
    /// Whose member it makes.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
    /// The member. Null: the invitation was not accepted yet.
    principal: known(Actor, |row| Some(row.principal_id?.0)),
    /// Who invited them.
    invitedByActor: known(Actor, |row| Some(row.invited_by.0)),
    /// Who ended it.
    endedByActor: known(Actor, |row| Some(row.ended_by?.0)),
    /// What changed, when, by whom, and by whose leave; newest first.
    history: history(membership::KIND),
});

relations!(OF_OPERATION of Operation {
    /// The organization that it was done for.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
    /// Who asked for it.
    initiatorActor: known(Actor, |row| Some(row.initiator.0)),
});

relations!(OF_ORGANIZATION of Organization {
    /// All that happened in it, newest first, of what the reader may see. Its total is not counted.
    history: page(reads crate::NAMES, |snapshot, row, (), page| {
        Box::pin(history::feed(snapshot, row.id, page))
    }),
});

relations!(OF_OWNERSHIP of Ownership {
    /// Who keeps this record.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
    /// The owner, where it is somebody with an account.
    principal: known(Actor, |row| Some(row.principal_id?.0)),
    /// Who wrote it down.
    recordedByActor: known(Actor, |row| Some(row.recorded_by.0)),
    /// The record that it stands in the place of.
    corrects: one(ownership::Model, |row| Some((row.organization_id, row.corrects_id?.0))),
    /// What changed, when, by whom, and by whose leave; newest first.
    history: history(ownership::KIND),
    /// What is owned.
    property: one(property::Model, |row| Some((row.organization_id, row.property_id.0))),
});

relations!(OF_PORTFOLIO of Portfolio {
    /// Whose portfolio it is.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
    /// What changed, when, by whom, and by whose leave; newest first.
    history: history(portfolio::KIND),
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
    /// Whose house it is.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
    /// The association that it belongs to, as its owner knows it.
    hoa: one(ExternalParty, |row| Some((row.organization_id, row.hoa_id?.0))),
    /// Who owns it, by what share, from when until when; without what was corrected. `on`: those who own it on that day.
    ownerships: many(Ownership, |tx, keys, visible| {
        use ownership::Column::{CorrectedAt, PropertyId, StartsOn};
        Box::pin(children(tx, keys, visible.add(CorrectedAt.is_null()), (PropertyId, |row: &Ownership| row.property_id.0), StartsOn))
    }, by "on": Date = ownership::holds_on),
    /// What came in and went out for it, of what the reader may see.
    financialEntries: page(reads &[financial_entry::KIND], |snapshot, row, (filter, order), page| {
        Box::pin(async move {
            let (filter, order): (Option<FinancialEntryFilter>, Option<FinancialEntryOrder>) = (filter, order);
            let filter = FinancialEntryFilter { property_id: Some(row.id), ..filter.unwrap_or_default() };
            page::list::<FinancialEntry>(snapshot, row.organization_id, Some(filter), order, page).await
        })
    }),
    /// What changed, when, by whom, and by whose leave; newest first.
    history: history(property::KIND),
    financials: computed(PropertyFigures::of, &[Plan::of("financials", report::KINDS)]),
    /// The portfolios that it is in, in their order.
    portfolios: many(Portfolio, portfolio_property::portfolios),
});

relations!(OF_RESOURCE_CHANGE of ResourceChange {
    /// Whose it is.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
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

/// The figures of a property.
struct PropertyFigures(OrganizationId, PropertyId);

impl PropertyFigures {
    fn of(property: &Property) -> Self {
        PropertyFigures(property.organization_id, property.id)
    }
}

#[ComplexObject]
impl PropertyFigures {
    /// What came in and went out for it from one day until another, added up by currency, month and kind.
    async fn financials(&self, cx: &Context<'_>, from: Option<Date>, until: Option<Date>) -> Nullable<Financials> {
        nullable(async {
            let loader = snapshot(cx).await?.loader(report::OfProperties);
            let found = load_one(&loader, (self.0, self.1, from, until)).await?;
            found.transpose().map_err(|error| error.again())
        })
        .await
    }
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
        with_archived: Option<bool>,
    ) -> Nullable<Vec<ReportRow>> {
        nullable(async {
            let with_archived = with_archived.unwrap_or_default();
            let report = Report { portfolios: Some(vec![self.1]), by, measure, from, until, with_archived };
            report::report(&*snapshot(cx).await?, self.0, report).await.map(Some)
        })
        .await
    }
}
