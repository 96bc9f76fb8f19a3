use crate::prelude::*;
use entities::organization::{self, Organization};

#[input]
pub struct OrganizationGetInput {
    pub id: OrganizationId,
}

pub struct Get;

impl Procedure for Get {
    const NAME: &'static str = "organization/v1/get";
    const ABOUT: &'static str = "An organization that the acting one may see: itself.";
    const RUNS: Runs = Runs::Read;
    const ERRORS: &'static [Code] = &[];
    type Input = OrganizationGetInput;
    type Output = Organization;
    type Subject = Seen<organization::Model>;

    fn example() -> OrganizationGetInput {
        OrganizationGetInput { id: OrganizationId::EXAMPLE }
    }

    async fn subject(cx: &Context, input: &OrganizationGetInput) -> Result<Self::Subject> {
        kind::subject::one(cx, organization::of(input.id)).await
    }

    async fn handle(_: &Context, allowed: Allowed<Self::Subject>, _: OrganizationGetInput) -> Result<Organization> {
        Ok(allowed.into_subject().row.into())
    }
}
