use super::{CASE_ENDED, CASE_HELD_BY_ANOTHER, CHANGE, create::ensure_desk, work::Work};
use crate::prelude::*;
use concierge::case::{Case, CaseId};
use kind::amend;
use owners::{
    portfolio::{self, PortfolioId},
    property::{self, PropertyId},
};

/// What is absent stays as it is; null clears what can be cleared.
#[input]
pub struct CaseUpdateInput {
    pub id: CaseId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// What it is called.
    #[patch(text(200))]
    pub title: Option<String>,
    /// More about it.
    #[patch(text(10_000))]
    pub description: MaybeUndefined<String>,
    /// The property that it is about. It takes the place of a portfolio.
    #[patch]
    pub property_id: MaybeUndefined<PropertyId>,
    /// The portfolio that it is about. It takes the place of a property.
    #[patch]
    pub portfolio_id: MaybeUndefined<PortfolioId>,
    /// The desk that shall hold it, of those that the owner let act. Nobody of it works on the case yet.
    #[patch]
    pub desk_id: Option<OrganizationId>,
}

pub struct Update;

impl Procedure for Update {
    const NAME: &'static str = "case/v1/update";
    const ABOUT: &'static str = "Changes what a case says: its title, its description, and the thing that it is about.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, CASE_ENDED, CASE_HELD_BY_ANOTHER];
    type Input = CaseUpdateInput;
    type Output = Case;
    type Subject = Seen<Case>;

    fn example() -> CaseUpdateInput {
        let description = MaybeUndefined::Value("Since the storm of last week, and worse since yesterday.".into());
        CaseUpdateInput { description, ..CaseUpdateInput::of(CaseId::EXAMPLE, 1) }
    }

    async fn subject(cx: &Context, input: &CaseUpdateInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: CaseUpdateInput) -> Result<Case> {
        let CaseUpdateInput { id: _, version, title, description, property_id, portfolio_id, desk_id } = input;
        let mut work = Work::on(cx, allowed, version).await?;
        work.ensure_open()?;
        let next = &mut work.next;
        if let (MaybeUndefined::Value(_), MaybeUndefined::Value(_)) = (&property_id, &portfolio_id) {
            return Err(Error::invalid("portfolioId", "EXCLUSIVE", "a case is about a property or about a portfolio, not both"));
        }
        if let MaybeUndefined::Value(id) = property_id {
            let there = property::by_id(cx.owner(), id).one(cx.tx().await?).await?;
            there.ok_or_else(|| Error::invalid("propertyId", "NOT_FOUND", "there is no such property"))?;
            next.portfolio_id = None;
        }
        if let MaybeUndefined::Value(id) = portfolio_id {
            let there = portfolio::by_id(cx.owner(), id).one(cx.tx().await?).await?;
            there.ok_or_else(|| Error::invalid("portfolioId", "NOT_FOUND", "there is no such portfolio"))?;
            next.property_id = None;
        }
        amend!(next: title, description, property_id, portfolio_id);
        if work.next.property_id != work.edit.property_id {
            work.elsewhere(cx).await?;
        }
        if let Some(desk) = desk_id {
            ensure_desk(cx, desk).await?;
            work.hand_over(cx, desk).await?;
        }
        work.done(cx, "updated").await
    }
}
