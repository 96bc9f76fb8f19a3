use super::{CHANGE, Opening, opened, work::acts};
use crate::prelude::*;
use concierge::{
    about::About,
    case::{Case, Fresh},
    matter::{Matter, Priority},
};
use owners::{portfolio::PortfolioId, property::PropertyId};

/// Name a property or a portfolio that it is about, or neither.
#[input(not_both(property_id, portfolio_id))]
pub struct CaseCreateInput {
    /// What it is called.
    #[text(200)]
    pub title: String,
    /// More about it, in your own words.
    #[text(10_000)]
    pub description: Option<String>,
    /// Other, if absent.
    pub kind: Option<Matter>,
    pub property_id: Option<PropertyId>,
    pub portfolio_id: Option<PortfolioId>,
    /// Normal, if absent.
    pub priority: Option<Priority>,
    /// The desk that shall hold it. If absent: the desk that opens it, or the only one that the owner let act.
    pub desk_id: Option<OrganizationId>,
}

pub struct Create;

impl Procedure for Create {
    const NAME: &'static str = "case/v1/create";
    const ABOUT: &'static str = "Opens a case: the work on something that an owner wants done.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[];
    type Input = CaseCreateInput;
    type Output = Case;
    type Subject = About<Fresh>;

    fn example() -> CaseCreateInput {
        CaseCreateInput {
            title: "The gutter over the porch drips".into(),
            description: Some("Since the storm of last week, on the north side.".into()),
            kind: Some(Matter::Repair),
            property_id: Some(PropertyId::EXAMPLE),
            portfolio_id: None,
            priority: Some(Priority::High),
            desk_id: None,
        }
    }

    async fn subject(cx: &Context, input: &CaseCreateInput) -> Result<Self::Subject> {
        let CaseCreateInput { title, description, kind, property_id, portfolio_id, priority, desk_id } = input.clone();
        let opening = Opening { title, description, kind, property_id, portfolio_id, priority, intent: None, desk: desk_id };
        About::of(cx, property_id, portfolio_id, opened(cx, opening).await?).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: CaseCreateInput) -> Result<Case> {
        if let Some(desk) = input.desk_id {
            ensure_desk(cx, desk).await?;
        }
        cx.create_as(allowed, "created").await
    }
}

/// Refuses a desk that the owner did not let act. A desk opens cases for itself only.
pub(super) async fn ensure_desk(cx: &Context, desk: OrganizationId) -> Result<()> {
    let refused = || Error::invalid("deskId", "NOT_A_DESK", "the owner let no such desk act");
    if cx.actor.through.is_some() {
        return if desk == cx.organization() { Ok(()) } else { Err(refused()) };
    }
    if acts(cx, cx.owner(), desk).await? { Ok(()) } else { Err(refused()) }
}
