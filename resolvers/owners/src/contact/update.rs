use super::CHANGE;
use crate::prelude::*;
use owners::contact::{Contact, ContactId};

/// What is absent stays as it is; null clears what can be cleared.
#[input]
pub struct ContactUpdateInput {
    pub id: ContactId,
    /// The version that was read.
    #[version]
    pub version: i32,
    #[patch(text(200))]
    pub name: Option<String>,
    #[patch(text(100))]
    pub role: MaybeUndefined<String>,
    #[patch(email)]
    pub email: MaybeUndefined<String>,
    #[patch(text(50))]
    pub phone: MaybeUndefined<String>,
    #[patch(text(10_000))]
    pub notes: MaybeUndefined<String>,
}

pub struct Update;

impl Procedure for Update {
    const NAME: &'static str = "contact/v1/update";
    const ABOUT: &'static str = "Changes what is known about a contact.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, ARCHIVED];
    type Input = ContactUpdateInput;
    type Output = Contact;
    type Subject = Seen<Contact>;

    fn example() -> ContactUpdateInput {
        let phone = MaybeUndefined::Value("+1 520 555 0111".into());
        ContactUpdateInput { phone, ..ContactUpdateInput::of(ContactId::EXAMPLE, 1) }
    }

    async fn subject(cx: &Context, input: &ContactUpdateInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: ContactUpdateInput) -> Result<Contact> {
        let ContactUpdateInput { id: _, version, name, role, email, phone, notes } = input;
        let mut row = cx.edit(allowed, version)?;
        ensure_in_use(&*row, ARCHIVED)?;
        patch!(row: name, role, email, phone, notes);
        cx.save(row, "updated").await
    }
}
