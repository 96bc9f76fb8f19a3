use super::CHANGE;
use crate::prelude::*;
use entities::organization::{self, Organization};

/// What is absent stays as it is.
#[input]
pub struct OrganizationUpdateInput {
    pub id: OrganizationId,
    /// The version that was read.
    #[version]
    pub version: i32,
    #[patch(text(200))]
    pub name: Option<String>,
}

pub struct Update;

impl Procedure for Update {
    const NAME: &'static str = "organization/v1/update";
    const ABOUT: &'static str = "Changes the acting organization.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT];
    type Input = OrganizationUpdateInput;
    type Output = Organization;
    type Subject = Seen<organization::Model>;

    fn example() -> OrganizationUpdateInput {
        OrganizationUpdateInput { id: OrganizationId::EXAMPLE, version: 1, name: Some("Alvarez Family Trust of 2019".into()) }
    }

    async fn subject(cx: &Context, input: &OrganizationUpdateInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: OrganizationUpdateInput) -> Result<Organization> {
        let OrganizationUpdateInput { id: _, version, name } = input;
        let mut row = cx.edit(allowed, version)?;
        patch!(row: name);
        Ok(cx.save(row, "updated").await?.into())
    }
}
