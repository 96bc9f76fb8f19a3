use super::{CHANGE, EXTERNAL_PARTY_ARCHIVED};
use crate::prelude::*;
use owners::external_party::{ExternalParty, ExternalPartyId};

/// What is absent stays as it is; null clears what can be cleared. What kind of party it is stays: properties
/// refer to it as that.
#[input]
pub struct ExternalPartyUpdateInput {
    pub id: ExternalPartyId,
    /// The version that was read.
    #[version]
    pub version: i32,
    #[patch(text(200))]
    pub name: Option<String>,
    #[patch(email)]
    pub email: MaybeUndefined<String>,
    #[patch(text(50))]
    pub phone: MaybeUndefined<String>,
    #[patch(website)]
    pub website: MaybeUndefined<String>,
    #[patch(text(10_000))]
    pub notes: MaybeUndefined<String>,
}

pub struct Update;

impl Procedure for Update {
    const NAME: &'static str = "externalParty/v1/update";
    const ABOUT: &'static str = "Changes what is known about an outside party.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, EXTERNAL_PARTY_ARCHIVED];
    type Input = ExternalPartyUpdateInput;
    type Output = ExternalParty;
    type Subject = Seen<ExternalParty>;

    fn example() -> ExternalPartyUpdateInput {
        let phone = MaybeUndefined::Value("+1 520 555 0101".into());
        ExternalPartyUpdateInput { phone, ..ExternalPartyUpdateInput::of(ExternalPartyId::EXAMPLE, 1) }
    }

    async fn subject(cx: &Context, input: &ExternalPartyUpdateInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: ExternalPartyUpdateInput) -> Result<ExternalParty> {
        let ExternalPartyUpdateInput { id: _, version, name, email, phone, website, notes } = input;
        let mut row = cx.edit(allowed, version)?;
        ensure_in_use(&*row, EXTERNAL_PARTY_ARCHIVED)?;
        patch!(row: name, email, phone, website, notes);
        cx.save(row, "updated").await
    }
}
