use crate::Listed;
use async_graphql::InputObject;
use entities::{
    page::{Connection, Page},
    property::{self, Property, PropertyFilter, PropertyOrder},
};
use garde::Validate;
use schema::{Allowed, Code, Context, Kind, Procedure, Result, valid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PropertyListInput {
    #[garde(custom(valid::page_size))]
    pub first: Option<i32>,
    #[garde(skip)]
    pub after: Option<String>,
    #[garde(custom(valid::page_size))]
    pub last: Option<i32>,
    #[garde(skip)]
    pub before: Option<String>,
    #[garde(dive)]
    pub filter: Option<PropertyFilter>,
    #[garde(skip)]
    pub order_by: Option<PropertyOrder>,
    /// Count all that match, exactly.
    #[garde(skip)]
    pub with_total: Option<bool>,
}

pub struct List;

impl Procedure for List {
    const NAME: &'static str = "property/v1/list";
    const ABOUT: &'static str = "The acting organization's properties, a page at a time.";
    const KIND: Kind = Kind::Read;
    const ERRORS: &'static [Code] = &[Code::InvalidCursor];
    type Input = PropertyListInput;
    type Output = Connection<Property>;
    type Subject = Listed;

    fn example() -> PropertyListInput {
        PropertyListInput { first: Some(20), order_by: Some(PropertyOrder::AddressAsc), ..Default::default() }
    }

    async fn subject(_: &Context, _: &PropertyListInput) -> Result<Listed> {
        Ok(Listed(property::KIND))
    }

    async fn handle(cx: &Context, allowed: Allowed<Listed>, input: PropertyListInput) -> Result<Connection<Property>> {
        let PropertyListInput { first, after, last, before, filter, order_by, with_total } = input;
        let page = Page { first, after, last, before, with_total: with_total.unwrap_or_default() };
        property::list(cx.tx().await?, cx.organization(), allowed.filter(), filter, order_by, page).await
    }
}
