use crate::Listed;
use async_graphql::{InputObject, Object};
use entities::{
    property::PropertyId,
    report::{self, Financials, Over, Visible},
};
use garde::Validate;
use schema::{Allowed, Code, Context, Date, Error, Kind, Nullable, Procedure, Result, nullable, snapshot};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PropertyFinancialsInput {
    #[garde(skip)]
    pub id: PropertyId,
    /// The first day.
    #[garde(skip)]
    pub from: Option<Date>,
    /// The first day after.
    #[garde(skip)]
    pub until: Option<Date>,
}

pub struct OfOne;

impl Procedure for OfOne {
    const NAME: &'static str = "property/v1/financials";
    const ABOUT: &'static str = "What came in and went out for a property, added up by currency, month and kind.";
    const KIND: Kind = Kind::Read;
    const ERRORS: &'static [Code] = &[];
    type Input = PropertyFinancialsInput;
    type Output = Financials;
    type Subject = Listed;

    fn example() -> PropertyFinancialsInput {
        PropertyFinancialsInput {
            id: PropertyId(uuid::uuid!("01920000-0000-7000-8000-0000000000a1")),
            from: Date::parse("2026-01-01"),
            until: None,
        }
    }

    async fn subject(_: &Context, _: &PropertyFinancialsInput) -> Result<Listed> {
        Ok(Listed(Visible::KINDS))
    }

    async fn handle(cx: &Context, allowed: Allowed<Listed>, input: PropertyFinancialsInput) -> Result<Financials> {
        let PropertyFinancialsInput { id, from, until } = input;
        let visible = Visible::of(|kind| Ok(allowed.filter(kind)))?;
        let found = report::financials(cx.tx().await?, cx.owner(), visible, Over::Property(id), from, until).await?;
        found.ok_or_else(|| Error::new(Code::NotFound))
    }
}

#[derive(Default)]
pub struct PropertyFinancialsQuery;

#[Object]
impl PropertyFinancialsQuery {
    /// What came in and went out for a property, added up by currency, month and kind.
    async fn property_financials(
        &self,
        cx: &async_graphql::Context<'_>,
        id: PropertyId,
        from: Option<Date>,
        until: Option<Date>,
    ) -> Nullable<Financials> {
        nullable(async {
            let snapshot = snapshot(cx).await?;
            let visible = Visible::of(|kind| snapshot.filter(kind))?;
            let found = report::financials(&snapshot.tx, snapshot.owner(), visible, Over::Property(id), from, until).await?;
            Ok(Some(found.ok_or_else(|| Error::new(Code::NotFound))?))
        })
        .await
    }
}
