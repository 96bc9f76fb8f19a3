use super::{CHANGE, PORTFOLIO_ARCHIVED, PORTFOLIO_NAME_TAKEN};
use crate::prelude::*;
use owners::portfolio::{Portfolio, PortfolioId};

/// What is absent stays as it is; null clears what can be cleared.
#[input]
pub struct PortfolioUpdateInput {
    pub id: PortfolioId,
    /// The version that was read.
    #[version]
    pub version: i32,
    #[patch(text(200))]
    pub name: Option<String>,
    #[patch(colour)]
    pub colour: MaybeUndefined<String>,
    #[patch(text(10_000))]
    pub target_notes: MaybeUndefined<String>,
    #[patch(position)]
    pub position: Option<i32>,
}

pub struct Update;

impl Procedure for Update {
    const NAME: &'static str = "portfolio/v1/update";
    const ABOUT: &'static str = "Changes how a portfolio is called, shown and placed.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, PORTFOLIO_ARCHIVED, PORTFOLIO_NAME_TAKEN];
    type Input = PortfolioUpdateInput;
    type Output = Portfolio;
    type Subject = Seen<Portfolio>;

    fn example() -> PortfolioUpdateInput {
        let (name, target_notes) = (Some("Long lets".into()), MaybeUndefined::Null);
        PortfolioUpdateInput { name, target_notes, ..PortfolioUpdateInput::of(PortfolioId::EXAMPLE, 1) }
    }

    async fn subject(cx: &Context, input: &PortfolioUpdateInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: PortfolioUpdateInput) -> Result<Portfolio> {
        let PortfolioUpdateInput { id: _, version, name, colour, target_notes, position } = input;
        let mut row = cx.edit(allowed, version)?;
        ensure_in_use(&*row, PORTFOLIO_ARCHIVED)?;
        patch!(row: name, colour, target_notes, position);
        cx.save(row, "updated").await.taken("portfolio_name", || Error::new(PORTFOLIO_NAME_TAKEN))
    }
}
