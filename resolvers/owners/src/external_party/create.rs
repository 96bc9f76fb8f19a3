use super::CHANGE;
use crate::prelude::*;
use owners::external_party::{ExternalParty, ExternalPartyKind, Fresh};

#[input]
pub struct ExternalPartyCreateInput {
    pub kind: ExternalPartyKind,
    #[text(200)]
    pub name: String,
    #[email]
    pub email: Option<String>,
    #[text(50)]
    pub phone: Option<String>,
    #[website]
    pub website: Option<String>,
    #[text(10_000)]
    pub notes: Option<String>,
}

pub struct Create;

impl Procedure for Create {
    const NAME: &'static str = "externalParty/v1/create";
    const ABOUT: &'static str = "Notes an HOA or a vendor that the organization deals with.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[];
    type Input = ExternalPartyCreateInput;
    type Output = ExternalParty;
    type Subject = New<Fresh>;

    fn example() -> ExternalPartyCreateInput {
        ExternalPartyCreateInput {
            kind: ExternalPartyKind::Hoa,
            name: "Saguaro Ridge Homeowners Association".into(),
            email: Some("office@saguaro-ridge.example".into()),
            phone: Some("+1 520 555 0100".into()),
            website: None,
            notes: None,
        }
    }

    async fn subject(cx: &Context, input: &ExternalPartyCreateInput) -> Result<New<Fresh>> {
        let ExternalPartyCreateInput { kind, name, email, phone, website, notes } = input.clone();
        Ok(New::of(cx, Fresh { kind, name, email, phone, website, notes, linked_organization_id: None }))
    }

    async fn handle(cx: &Context, allowed: Allowed<New<Fresh>>, _: ExternalPartyCreateInput) -> Result<ExternalParty> {
        cx.create(allowed).await
    }
}
