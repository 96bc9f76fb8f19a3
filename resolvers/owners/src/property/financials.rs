crate::financials::financials!(
    Property, property::PropertyId,
    "property/v1/financials" "What came in and went out for a property, added up by currency, month and kind.",
    PropertyFinancialsInput,
    PropertyFinancialsQuery.property_financials
);
