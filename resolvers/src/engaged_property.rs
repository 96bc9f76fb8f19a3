use crate::prelude::*;
use async_graphql::Object;
use entities::{
    engaged_property::{self, EngagedPropertyFilter},
    property::{self, Property, PropertyOrder},
};
use kind::{Connection, Page, Plan, Ready, Root, projected};
use schema::{Nullable, nullable, snapshot};

#[input(page)]
pub struct PropertyEngagedInput {
    #[dive]
    pub filter: Option<EngagedPropertyFilter>,
    pub order_by: Option<PropertyOrder>,
}

pub const ALL: &[Entry] = &[Entry::of::<Engaged>()];

pub struct Engaged;

impl Procedure for Engaged {
    const NAME: &'static str = "property/v1/engaged";
    const ABOUT: &'static str = "The properties of all who engaged the acting organization, a page at a time.";
    const RUNS: Runs = Runs::Read;
    const ERRORS: &'static [Code] = &[Code::INVALID_CURSOR];
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
        projected::list::<engaged_property::Model>(&cx.proven(&allowed), filter, order_by, page).await
    }
}

#[derive(Default)]
pub struct EngagedPropertiesQuery;

impl Root for EngagedPropertiesQuery {
    const PLANS: &'static [Plan] = &[Plan::named("engaged_properties", &[engaged_property::KIND, property::KIND]).across()];
}

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
        let page = Page::of_field(cx, first, after, last, before);
        nullable(async {
            schema::input::validate_at("filter", filter.as_ref())?;
            let found = projected::list::<engaged_property::Model>(&*snapshot(cx).await?, filter, order_by, page).await?;
            Ok(Some(Ready(found)))
        })
        .await
    }
}
