use crate::Listed;
use async_graphql::{InputObject, Object};
use entities::{
    engaged_property::{self, EngagedPropertyFilter},
    page::{Connection, Page},
    property::{self, Property, PropertyOrder},
    ready::Ready,
};
use garde::Validate;
use schema::{Allowed, Code, Context, Kind, Nullable, Procedure, Result, input, nullable, snapshot, valid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PropertyEngagedInput {
    #[garde(custom(valid::page_size))]
    pub first: Option<i32>,
    #[garde(skip)]
    pub after: Option<String>,
    #[garde(custom(valid::page_size))]
    pub last: Option<i32>,
    #[garde(skip)]
    pub before: Option<String>,
    #[garde(dive)]
    pub filter: Option<EngagedPropertyFilter>,
    #[garde(skip)]
    pub order_by: Option<PropertyOrder>,
    /// Count all that match, exactly.
    #[garde(skip)]
    pub with_total: Option<bool>,
}

pub struct Engaged;

impl Procedure for Engaged {
    const NAME: &'static str = "property/v1/engaged";
    const ABOUT: &'static str = "The properties of all who engaged the acting organization, a page at a time.";
    const KIND: Kind = Kind::Read;
    const ERRORS: &'static [Code] = &[Code::InvalidCursor];
    const ACROSS: bool = true;
    type Input = PropertyEngagedInput;
    type Output = Connection<Property>;
    type Subject = Listed;

    fn example() -> PropertyEngagedInput {
        PropertyEngagedInput { first: Some(20), order_by: Some(PropertyOrder::UpdatedDesc), ..Default::default() }
    }

    async fn subject(_: &Context, _: &PropertyEngagedInput) -> Result<Listed> {
        Ok(Listed(&[engaged_property::KIND, property::KIND]))
    }

    async fn handle(cx: &Context, allowed: Allowed<Listed>, input: PropertyEngagedInput) -> Result<Connection<Property>> {
        let PropertyEngagedInput { first, after, last, before, filter, order_by, with_total } = input;
        let page = Page { first, after, last, before, with_total: with_total.unwrap_or_default() };
        let visible = (allowed.filter(engaged_property::KIND), allowed.filter(property::KIND));
        engaged_property::list(cx, visible, filter, order_by, page).await
    }
}

#[derive(Default)]
pub struct EngagedPropertiesQuery;

#[Object]
impl EngagedPropertiesQuery {
    /// The properties of all who engaged the acting organization, in one order.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
    async fn engaged_properties(
        &self,
        cx: &async_graphql::Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<EngagedPropertyFilter>,
        order_by: Option<PropertyOrder>,
    ) -> Nullable<Ready<Connection<Property>>> {
        let page = Page { first, after, last, before, with_total: cx.look_ahead().field("totalCount").exists() };
        nullable(async {
            input::validate_at("filter", filter.as_ref())?;
            engaged_property::seen(&*snapshot(cx).await?, filter, order_by, page).await.map(|page| Some(Ready(page)))
        })
        .await
    }
}
