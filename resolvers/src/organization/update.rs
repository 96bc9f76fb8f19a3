use super::CHANGE;
use crate::prelude::*;
use entities::organization::{self, Organization, OrganizationType};

/// What is absent stays as it is.
#[input]
pub struct OrganizationUpdateInput {
    pub id: OrganizationId,
    /// The version that was read.
    #[version]
    pub version: i32,
    #[patch(text(200))]
    pub name: Option<String>,
    /// The public name of a desk, such as `desert-sky`. With one, the desk stands in the directory; null takes it out.
    #[patch(handle)]
    pub handle: MaybeUndefined<String>,
    /// The services of a desk, in its own words, for the directory.
    #[patch(text(2_000))]
    pub about: MaybeUndefined<String>,
    /// The area that a desk serves, for the directory.
    #[patch(text(500))]
    pub area: MaybeUndefined<String>,
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
        let name = Some("Alvarez Family Trust of 2019".into());
        OrganizationUpdateInput { name, ..OrganizationUpdateInput::of(OrganizationId::EXAMPLE, 1) }
    }

    async fn subject(cx: &Context, input: &OrganizationUpdateInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: OrganizationUpdateInput) -> Result<Organization> {
        let OrganizationUpdateInput { id: _, version, name, handle, about, area } = input;
        let mut row = cx.edit(allowed, version)?;
        let listed = [("handle", handle.value()), ("about", about.value()), ("area", area.value())];
        let said = listed.into_iter().find(|(_, text)| text.is_some());
        if let Some((field, _)) = said.filter(|_| row.r#type != OrganizationType::ConciergeOperator) {
            return Err(Error::invalid(field, "NOT_A_DESK", "only a concierge's desk stands in the directory"));
        }
        patch!(row: name, handle, about, area);
        let taken = || Error::invalid("handle", "TAKEN", "another desk has this handle, or had it");
        Ok(cx.save(row, "updated").await.taken("organization_handle", taken)?.into())
    }
}
