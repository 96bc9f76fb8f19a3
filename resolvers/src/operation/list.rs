use crate::Listed;
use async_graphql::InputObject;
use entities::{
    operation::{self, OperationFilter, OperationOrder},
    page::{Connection, Page},
};
use garde::Validate;
use schema::{Allowed, Code, Context, Kind, Operation, Procedure, Result, valid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperationListInput {
    #[garde(custom(valid::page_size))]
    pub first: Option<i32>,
    #[garde(skip)]
    pub after: Option<String>,
    #[garde(custom(valid::page_size))]
    pub last: Option<i32>,
    #[garde(skip)]
    pub before: Option<String>,
    #[garde(dive)]
    pub filter: Option<OperationFilter>,
    #[garde(skip)]
    pub order_by: Option<OperationOrder>,
    /// Count all that match, exactly.
    #[garde(skip)]
    pub with_total: Option<bool>,
}

pub struct List;

impl Procedure for List {
    const NAME: &'static str = "operation/v1/list";
    const ABOUT: &'static str = "The acting organization's recorded mutations, a page at a time.";
    const KIND: Kind = Kind::Read;
    const ERRORS: &'static [Code] = &[Code::InvalidCursor];
    type Input = OperationListInput;
    type Output = Connection<Operation>;
    type Subject = Listed;

    fn example() -> OperationListInput {
        OperationListInput { first: Some(20), order_by: Some(OperationOrder::CreatedDesc), ..Default::default() }
    }

    async fn subject(_: &Context, _: &OperationListInput) -> Result<Listed> {
        Ok(Listed(&[operation::KIND]))
    }

    async fn handle(cx: &Context, allowed: Allowed<Listed>, input: OperationListInput) -> Result<Connection<Operation>> {
        let OperationListInput { first, after, last, before, filter, order_by, with_total } = input;
        let page = Page { first, after, last, before, with_total: with_total.unwrap_or_default() };
        operation::list(cx.tx().await?, cx.organization(), allowed.filter(operation::KIND), filter, order_by, page).await
    }
}
