crate::financials::financials!(
    Portfolio, portfolio::PortfolioId,
    "portfolio/v1/financials" "What came in and went out for the properties of a portfolio, added up by currency, month and kind.",
    PortfolioFinancialsInput ("01920000-0000-7000-8000-000000000021"),
    PortfolioFinancialsQuery.portfolio_financials
);
