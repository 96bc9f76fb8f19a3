//! Figures over many properties, each one statement: counts and sums that the database makes of exactly
//! the rows that the reader may see.

use crate::{
    financial_entry::{self, FinancialEntryFilter, FinancialEntryKind},
    ownership,
    portfolio::{self, PortfolioId},
    portfolio_property as member,
    property::{self, PropertyId, PropertyStatus},
};
use async_graphql::{SimpleObject, dataloader::Loader};
use async_trait::async_trait;
use kind::{Filter as _, page};
use schema::{Date, Error, Long, OrganizationId, Reading, Result, Snapshot, text_enum};
use schemars::JsonSchema;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, FromQueryResult, JoinType, QueryFilter, QuerySelect, QueryTrait, Select,
    sea_query::{
        Alias, Expr, ExprTrait, Func, IntoCondition, Order, Query, SelectStatement, SimpleExpr, UnionType,
        extension::postgres::PgExpr,
    },
};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

/// What came in and went out, added up by currency, month and kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct Financials {
    /// In this order: currency, month, kind.
    pub sums: Vec<FinancialSum>,
    /// Over all months and kinds.
    pub totals: Vec<FinancialTotal>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, SimpleObject, FromQueryResult)]
#[serde(rename_all = "camelCase")]
pub struct FinancialSum {
    pub currency: String,
    /// Its first day.
    pub month: Date,
    pub kind: FinancialEntryKind,
    /// In minor units of the currency. What goes out is negative.
    pub amount_minor: Long,
    /// How many entries it was added up from.
    pub entries: Long,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct FinancialTotal {
    pub currency: String,
    pub income_minor: Long,
    pub expenses_minor: Long,
    pub net_minor: Long,
}

/// The property or the portfolio that figures are asked for.
#[derive(Debug, Clone, Copy)]
pub enum Over {
    Property(PropertyId),
    Portfolio(PortfolioId),
}

/// The kinds that figures are made of.
pub const KINDS: &[&str] = &[property::KIND, portfolio::KIND, ownership::KIND, financial_entry::KIND];

/// The financials of a property or a portfolio that the reader may see, or NOT_FOUND.
pub async fn financials(
    reading: &dyn Reading,
    owner: OrganizationId,
    over: Over,
    from: Option<Date>,
    until: Option<Date>,
) -> Result<Financials> {
    match over {
        Over::Property(id) => drop(page::one::<property::Model>(reading, owner, id).await?),
        Over::Portfolio(id) => drop(page::one::<portfolio::Model>(reading, owner, id).await?),
    }
    let filter = match over {
        Over::Property(id) => FinancialEntryFilter { property_id: Some(id), from, until, ..Default::default() },
        Over::Portfolio(id) => FinancialEntryFilter { portfolio_id: Some(id), from, until, ..Default::default() },
    };
    let select = sums(financial_entry::of(owner).filter(reading.filter(financial_entry::KIND)?).filter(filter.condition()));
    let rows = reading.tx().await?.query_all(select.as_query()).await?;
    Financials::of(rows.iter().map(|row| FinancialSum::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

/// A sum that stays too large if it is, and fits into a column.
fn in_bounds(sum: &str) -> String {
    format!("least(greatest({sum}, -9223372036854775807), 9223372036854775807)::bigint")
}

/// The sums of these entries, by currency, month and kind.
fn sums(entries: Select<financial_entry::Entity>) -> Select<financial_entry::Entity> {
    use financial_entry::Column;
    let mut select = entries
        .select_only()
        .column(Column::Currency)
        .column_as(Expr::cust("date_trunc('month', financial_entry.booked_on)::date"), "month")
        .column(Column::Kind)
        .column_as(Expr::cust(in_bounds("sum(financial_entry.amount_minor)")), "amount_minor")
        .column_as(Expr::cust("count(*)"), "entries");
    QuerySelect::query(&mut select)
        .group_by_columns([Alias::new("currency"), Alias::new("month"), Alias::new("kind")])
        .order_by(Alias::new("currency"), Order::Asc)
        .order_by(Alias::new("month"), Order::Asc)
        .order_by(Alias::new("kind"), Order::Asc);
    select
}

/// A property, with the first day and the day after the last.
type Asked = (OrganizationId, PropertyId, Option<Date>, Option<Date>);

/// Loads the financials of many properties, one statement for each term and owner.
pub struct OfProperties(pub Weak<Snapshot>);

#[async_trait]
impl Loader<Asked> for OfProperties {
    /// One that cannot be told leaves the others.
    type Value = Result<Financials, Arc<Error>>;
    type Error = Arc<Error>;

    async fn load(&self, asked: &[Asked]) -> Result<HashMap<Asked, Self::Value>, Arc<Error>> {
        let load = async {
            let snapshot = self.0.upgrade().ok_or_else(|| Error::internal("the query is over"))?;
            let mut terms: HashMap<_, Vec<PropertyId>> = HashMap::new();
            for (owner, property, from, until) in asked {
                terms.entry((*owner, *from, *until)).or_default().push(*property);
            }
            let mut found: HashMap<Asked, Vec<FinancialSum>> = asked.iter().map(|asked| (*asked, Vec::new())).collect();
            for ((owner, from, until), properties) in terms {
                use financial_entry::Column::PropertyId as Of;
                let filter = FinancialEntryFilter { from, until, ..Default::default() }.condition();
                let entries = financial_entry::of(owner).filter(Of.eq_any(properties.iter().map(|id| id.0)));
                let mut select = sums(entries.filter(snapshot.filter(financial_entry::KIND)?).filter(filter)).column(Of);
                QuerySelect::query(&mut select).group_by_columns([Alias::new("property_id")]);
                for row in snapshot.tx.query_all(select.as_query()).await? {
                    let property: PropertyId = row.try_get("", "property_id")?;
                    found.entry((owner, property, from, until)).or_default().push(FinancialSum::from_query_result(&row, "")?);
                }
            }
            Ok(found.into_iter().map(|(asked, sums)| (asked, Financials::of(sums).map_err(Arc::new))).collect())
        };
        load.await.map_err(Arc::new)
    }
}

impl Financials {
    fn of(sums: Vec<FinancialSum>) -> Result<Financials> {
        let mut totals: Vec<FinancialTotal> = Vec::new();
        for sum in &sums {
            sum.amount_minor.told()?;
            if totals.last().is_none_or(|total| total.currency != sum.currency) {
                let none = Long(0);
                let currency = sum.currency.clone();
                totals.push(FinancialTotal { currency, income_minor: none, expenses_minor: none, net_minor: none });
            }
            if let Some(total) = totals.last_mut() {
                let side = if sum.kind.income() { &mut total.income_minor } else { &mut total.expenses_minor };
                side.0 = side.0.saturating_add(sum.amount_minor.0);
                total.net_minor.0 = total.net_minor.0.saturating_add(sum.amount_minor.0);
            }
        }
        for total in &totals {
            for figure in [total.income_minor, total.expenses_minor, total.net_minor] {
                figure.told()?;
            }
        }
        Ok(Financials { sums, totals })
    }
}

text_enum!(
    /// By what a report tells its figures apart.
    ReportBy {
        Kind = "KIND",
        Status = "STATUS",
        Country = "COUNTRY",
        Region = "REGION",
        Locality = "LOCALITY",
        /// Who owns them: a property of two is told of under both, and money by each one's share on its day; what is
        /// nobody's share, under no key.
        Owner = "OWNER",
        /// A property in two is told of under both.
        Portfolio = "PORTFOLIO",
    }
);

text_enum!(
    /// What a report tells.
    ReportMeasure {
        /// How many there are.
        Properties = "PROPERTIES",
        Income = "INCOME",
        Expenses = "EXPENSES",
        /// Both together.
        Net = "NET",
    }
);

/// One figure of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, SimpleObject, FromQueryResult)]
#[serde(rename_all = "camelCase")]
pub struct ReportRow {
    /// What it is the figure of: an enum value, a name, or a portfolio's id. Null where that is not known.
    pub key: Option<String>,
    /// The same for people, where the key is an id.
    pub label: Option<String>,
    /// Of an amount.
    pub currency: Option<String>,
    /// A number of properties, or an amount in minor units.
    pub value: Long,
}

/// The report that is asked for.
#[derive(Debug, Clone)]
pub struct Report {
    /// None: all properties.
    pub portfolios: Option<Vec<PortfolioId>>,
    pub by: ReportBy,
    pub measure: ReportMeasure,
    /// For amounts: the first day, and the first day after.
    pub from: Option<Date>,
    pub until: Option<Date>,
    pub with_archived: bool,
}

/// Every figure of a report, by one statement.
pub async fn report(reading: &dyn Reading, organization: OrganizationId, report: Report) -> Result<Vec<ReportRow>> {
    let statement = statement(reading, organization, report)?;
    let rows = reading.tx().await?.query_all(&statement).await?;
    let rows = rows.iter().map(|row| ReportRow::from_query_result(row, "")).collect::<Result<Vec<_>, _>>()?;
    rows.iter().try_for_each(|row| row.value.told().map(drop))?;
    Ok(rows)
}

/// The alias of a property's shares in the statement of a report.
const HELD: &str = "held";

fn statement(reading: &dyn Reading, organization: OrganizationId, report: Report) -> Result<SelectStatement> {
    use financial_entry::Column as Entry;
    use ownership::Column as Owned;
    use property::Column as Property;
    let Report { portfolios, by, measure, from, until, with_archived } = report;
    let money = measure != ReportMeasure::Properties;
    let ids = portfolios.map(|all| all.into_iter().map(|id| id.0).collect::<Vec<_>>());
    let entry = |column: Entry| Expr::col((financial_entry::Entity, column));
    let owned = |column: Owned| Expr::col((ownership::Entity, column));
    let of = |column: Property| Expr::col((property::Entity, column));
    let text = |expression: SimpleExpr| expression.cast_as(Alias::new("text"));

    let (key, label): (SimpleExpr, SimpleExpr) = match by {
        ReportBy::Kind => (of(Property::Kind), Expr::cust("NULL::text")),
        ReportBy::Status => (of(Property::Status), Expr::cust("NULL::text")),
        ReportBy::Country => (of(Property::Country), Expr::cust("NULL::text")),
        ReportBy::Region => (of(Property::Region), Expr::cust("NULL::text")),
        ReportBy::Locality => (of(Property::Locality), Expr::cust("NULL::text")),
        ReportBy::Owner => (Expr::col((Alias::new(HELD), Alias::new("holder_name"))), Expr::cust("NULL::text")),
        ReportBy::Portfolio => {
            (text(Expr::col((portfolio::Entity, portfolio::Column::Id))), Expr::col((portfolio::Entity, portfolio::Column::Name)))
        }
    };
    let amount: SimpleExpr = match by {
        // Rounded to the minor unit, after everything was added up.
        ReportBy::Owner => {
            Expr::cust(in_bounds("round(sum(financial_entry.amount_minor::numeric * held.share_basis_points) / 10000)"))
        }
        _ => Expr::cust(in_bounds("sum(financial_entry.amount_minor)")),
    };
    let value = if money { amount } else { Func::count_distinct(of(Property::Id)).into() };
    let currency = if money { entry(Entry::Currency) } else { Expr::cust("NULL::text") };

    let mut select = Query::select();
    select
        .expr_as(text(key), Alias::new("key"))
        .expr_as(label, Alias::new("label"))
        .expr_as(currency, Alias::new("currency"))
        .expr_as(value, Alias::new("value"))
        .from(property::Entity)
        .and_where(of(Property::OrganizationId).eq(organization.0))
        .cond_where(reading.filter(property::KIND)?);
    if !with_archived {
        select.and_where(of(Property::Status).ne(PropertyStatus::Archived.as_str()));
    }
    if money {
        let filter = FinancialEntryFilter { from, until, ..Default::default() };
        let kinds: Vec<_> =
            FinancialEntryKind::ALL.iter().filter(|kind| kind.income()).map(|kind| kind.as_str().to_owned()).collect();
        let side = match measure {
            ReportMeasure::Income => Some(entry(Entry::Kind).eq_any(kinds)),
            ReportMeasure::Expenses => Some(entry(Entry::Kind).eq_any(kinds).not()),
            ReportMeasure::Net | ReportMeasure::Properties => None,
        };
        let on = Condition::all()
            .add(entry(Entry::OrganizationId).equals((property::Entity, Property::OrganizationId)))
            .add(entry(Entry::PropertyId).equals((property::Entity, Property::Id)))
            .add(filter.condition())
            .add_option(side)
            .add(reading.filter(financial_entry::KIND)?);
        select.join(JoinType::InnerJoin, financial_entry::Entity, on);
    }
    match by {
        ReportBy::Owner => {
            // The owners on the day that the figure is about, which is today for a number of properties; and the share of nobody.
            let day = if money { entry(Entry::BookedOn) } else { Expr::val(reading.now().date_naive()) };
            let visible = reading.filter(ownership::KIND)?;
            let of_the_day = || {
                Condition::all()
                    .add(owned(Owned::OrganizationId).equals((property::Entity, Property::OrganizationId)))
                    .add(owned(Owned::PropertyId).equals((property::Entity, Property::Id)))
                    .add(owned(Owned::CorrectedAt).is_null())
                    .add(owned(Owned::StartsOn).lte(day.clone()))
                    .add(Condition::any().add(owned(Owned::EndsOn).is_null()).add(owned(Owned::EndsOn).gt(day.clone())))
                    .add(visible.clone())
            };
            let rest = Expr::cust("10000 - coalesce(sum(ownership.share_basis_points), 0)");
            // Where properties are counted, only one without any owner is nobody's.
            let nobody = if money { rest.clone().gt(0) } else { Expr::cust("count(*)").eq(0) };
            let remainder = Query::select()
                .expr_as(Expr::cust("NULL::text"), Alias::new("holder_name"))
                .expr_as(rest, Alias::new("share_basis_points"))
                .from(ownership::Entity)
                .cond_where(of_the_day())
                .and_having(nobody)
                .take();
            let held = Query::select()
                .expr_as(owned(Owned::HolderName), Alias::new("holder_name"))
                .expr_as(owned(Owned::ShareBasisPoints), Alias::new("share_basis_points"))
                .from(ownership::Entity)
                .cond_where(of_the_day())
                .union(UnionType::All, remainder)
                .take();
            select.join_lateral(JoinType::InnerJoin, held, Alias::new(HELD), Condition::all().add(Expr::cust("true")));
        }
        ReportBy::Portfolio => {
            let theirs = |column: member::Column| Expr::col((member::Entity, column));
            let on = theirs(member::Column::OrganizationId)
                .equals((property::Entity, Property::OrganizationId))
                .and(theirs(member::Column::PropertyId).equals((property::Entity, Property::Id)))
                .and(theirs(member::Column::RemovedAt).is_null());
            select.join(JoinType::InnerJoin, member::Entity, on.into_condition());
            let theirs = |column: portfolio::Column| Expr::col((portfolio::Entity, column));
            let on = Condition::all()
                .add(theirs(portfolio::Column::OrganizationId).equals((member::Entity, member::Column::OrganizationId)))
                .add(theirs(portfolio::Column::Id).equals((member::Entity, member::Column::PortfolioId)))
                .add_option(ids.clone().map(|ids| theirs(portfolio::Column::Id).eq_any(ids)))
                .add(reading.filter(portfolio::KIND)?);
            select.join(JoinType::InnerJoin, portfolio::Entity, on);
        }
        _ => {}
    }
    if by != ReportBy::Portfolio
        && let Some(ids) = ids
    {
        let mine = |column: member::Column| Expr::col((member::Entity, column));
        let theirs = |column: portfolio::Column| Expr::col((portfolio::Entity, column));
        let on = theirs(portfolio::Column::OrganizationId)
            .equals((member::Entity, member::Column::OrganizationId))
            .and(theirs(portfolio::Column::Id).equals((member::Entity, member::Column::PortfolioId)));
        let within = Query::select()
            .expr(Expr::val(1))
            .from(member::Entity)
            .join(JoinType::InnerJoin, portfolio::Entity, on.into_condition())
            .and_where(mine(member::Column::OrganizationId).equals((property::Entity, Property::OrganizationId)))
            .and_where(mine(member::Column::PropertyId).equals((property::Entity, Property::Id)))
            .and_where(mine(member::Column::PortfolioId).eq_any(ids))
            .and_where(mine(member::Column::RemovedAt).is_null())
            .cond_where(reading.filter(portfolio::KIND)?)
            .take();
        select.and_where(Expr::exists(within));
    }
    let groups = [Alias::new("key"), Alias::new("label"), Alias::new("currency")];
    for group in groups {
        select.add_group_by([Expr::col(group.clone())]);
        select.order_by(group, Order::Asc);
    }
    Ok(select)
}

impl FinancialEntryKind {
    pub fn income(self) -> bool {
        matches!(self, FinancialEntryKind::Rent | FinancialEntryKind::OtherIncome)
    }
}
