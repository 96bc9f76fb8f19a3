use super::{CHANGE, ensure_party};
use crate::prelude::*;
use owners::{
    contact::{Contact, Fresh},
    external_party::ExternalPartyId,
};

#[input]
pub struct ContactCreateInput {
    /// The outside party that they speak for.
    pub external_party_id: Option<ExternalPartyId>,
    #[text(200)]
    pub name: String,
    /// Such as board president or dispatcher.
    #[text(100)]
    pub role: Option<String>,
    #[email]
    pub email: Option<String>,
    #[text(50)]
    pub phone: Option<String>,
    #[text(10_000)]
    pub notes: Option<String>,
}

pub struct Create;

impl Procedure for Create {
    const NAME: &'static str = "contact/v1/create";
    const ABOUT: &'static str = "Notes someone outside whom the organization deals with.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[];
    type Input = ContactCreateInput;
    type Output = Contact;
    type Subject = New<Fresh>;

    fn example() -> ContactCreateInput {
        ContactCreateInput {
            external_party_id: Some(ExternalPartyId::EXAMPLE),
            name: "Dolores Quintana".into(),
            role: Some("Board president".into()),
            email: Some("dolores@saguaro-ridge.example".into()),
            phone: Some("+1 520 555 0110".into()),
            notes: None,
        }
    }

    async fn subject(cx: &Context, input: &ContactCreateInput) -> Result<New<Fresh>> {
        let ContactCreateInput { external_party_id, name, role, email, phone, notes } = input.clone();
        Ok(New::of(cx, Fresh { external_party_id, name, role, email, phone, notes }))
    }

    async fn handle(cx: &Context, allowed: Allowed<New<Fresh>>, _: ContactCreateInput) -> Result<Contact> {
        ensure_party(cx, allowed.subject().fresh().external_party_id).await?;
        cx.create(allowed).await
    }
}
