use super::{CHANGE, PORTFOLIO_NAME_TAKEN};
use crate::prelude::*;
use owners::portfolio::{Fresh, Portfolio};

#[input]
pub struct PortfolioCreateInput {
    /// No two that are in use have the same, whatever the case of its letters.
    #[text(200)]
    pub name: String,
    /// Such as `#2F6B4F`.
    #[colour]
    pub colour: Option<String>,
    /// What is to become of it.
    #[text(10_000)]
    pub target_notes: Option<String>,
    /// Its place among the others; 0 if not given.
    #[position]
    pub position: Option<i32>,
}

pub struct Create;

impl Procedure for Create {
    const NAME: &'static str = "portfolio/v1/create";
    const ABOUT: &'static str = "Makes a group for properties.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[PORTFOLIO_NAME_TAKEN];
    type Input = PortfolioCreateInput;
    type Output = Portfolio;
    type Subject = New<Fresh>;

    fn example() -> PortfolioCreateInput {
        PortfolioCreateInput {
            name: "Rentals in Tucson".into(),
            colour: Some("#2F6B4F".into()),
            target_notes: Some("Sell the two smallest by 2028.".into()),
            position: Some(1),
        }
    }

    async fn subject(cx: &Context, input: &PortfolioCreateInput) -> Result<New<Fresh>> {
        let PortfolioCreateInput { name, colour, target_notes, position } = input.clone();
        Ok(New::of(cx, Fresh { name, colour, target_notes, position: position.unwrap_or_default() }))
    }

    async fn handle(cx: &Context, allowed: Allowed<New<Fresh>>, _: PortfolioCreateInput) -> Result<Portfolio> {
        cx.create(allowed).await.taken("portfolio_name", || Error::new(PORTFOLIO_NAME_TAKEN))
    }
}
