crate::financials::financials!(
    Property, property::PropertyId,
    "property/v1/financials" "What came in and went out for a property, added up by currency, month and kind.",
    PropertyFinancialsInput ("01920000-0000-7000-8000-0000000000a1"),
    PropertyFinancialsQuery.property_financials
);
