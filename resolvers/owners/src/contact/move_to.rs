use super::{CHANGE, ensure_party};
use crate::prelude::*;
use owners::{
    contact::{Contact, ContactId},
    external_party::ExternalPartyId,
};

#[input]
pub struct ContactMoveInput {
    pub id: ContactId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// The outside party that they speak for from now on; null if for none.
    pub external_party_id: Option<ExternalPartyId>,
}

pub struct Move;

impl Procedure for Move {
    const NAME: &'static str = "contact/v1/move";
    const ABOUT: &'static str = "Notes that a contact speaks for another outside party now, or for none.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, ARCHIVED];
    type Input = ContactMoveInput;
    type Output = Contact;
    type Subject = Seen<Contact>;

    fn example() -> ContactMoveInput {
        ContactMoveInput { id: ContactId::EXAMPLE, version: 1, external_party_id: Some(ExternalPartyId::EXAMPLE) }
    }

    async fn subject(cx: &Context, input: &ContactMoveInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: ContactMoveInput) -> Result<Contact> {
        let ContactMoveInput { id: _, version, external_party_id } = input;
        let mut row = cx.edit(allowed, version)?;
        ensure_in_use(&*row, ARCHIVED)?;
        ensure_party(cx, external_party_id).await?;
        let external_party_id = Some(external_party_id);
        patch!(row: external_party_id);
        row.refers("externalPartyId", external_party_id.flatten().map(|id| id.0));
        cx.save(row, "moved").await
    }
}
