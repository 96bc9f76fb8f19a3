//! The link from an outside party to an organization, for a party that turns out to have an account here. It records the
//! owner's belief: it is not checked, it tells neither side whether the other exists, and it gives nobody any right.

use super::{CHANGE, EXTERNAL_PARTY_ARCHIVED};
use crate::prelude::*;
use owners::external_party::{ExternalParty, ExternalPartyId};

#[input]
pub struct ExternalPartyLinkInput {
    pub id: ExternalPartyId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// The organization that it is; null takes the link away.
    pub organization_id: Option<OrganizationId>,
}

pub struct Link;

impl Procedure for Link {
    const NAME: &'static str = "externalParty/v1/link";
    const ABOUT: &'static str = "Notes which organization an outside party is. Gives it no right.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, EXTERNAL_PARTY_ARCHIVED];
    type Input = ExternalPartyLinkInput;
    type Output = ExternalParty;
    type Subject = Seen<ExternalParty>;

    fn example() -> ExternalPartyLinkInput {
        let organization_id = Some(OrganizationId::LINKED_EXAMPLE);
        ExternalPartyLinkInput { id: ExternalPartyId::EXAMPLE, version: 1, organization_id }
    }

    async fn subject(cx: &Context, input: &ExternalPartyLinkInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: ExternalPartyLinkInput) -> Result<ExternalParty> {
        let ExternalPartyLinkInput { id: _, version, organization_id } = input;
        let mut row = cx.edit(allowed, version)?;
        ensure_in_use(&*row, EXTERNAL_PARTY_ARCHIVED)?;
        if organization_id == Some(row.organization_id) {
            let refused = Error::new(Code::INVALID_INPUT);
            return Err(refused.field("organizationId", "OWN_ORGANIZATION", "an organization is no outside party to itself"));
        }
        let linked_organization_id = Some(organization_id);
        patch!(row: linked_organization_id);
        row.refers("linkedOrganizationId", organization_id.map(|id| id.0));
        cx.save(row, "linked").await
    }
}
