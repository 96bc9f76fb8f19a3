crate::financials::financials!(
    Portfolio, portfolio::PortfolioId,
    "portfolio/v1/financials" "What came in and went out for the properties of a portfolio, added up by currency, month and kind.",
    PortfolioFinancialsInput,
    PortfolioFinancialsQuery.portfolio_financials
);
