//! Contacts: the people outside whom an owner deals with, at an outside party or on their own.

use crate::{external_party::ExternalPartyId, prelude::*};

schema::id!(
    /// Someone outside, as one owner knows them.
    ContactId = 0x61
);

text_enum!(
    /// Archived contacts stay, and stay out of the way.
    ContactStatus { Active = "ACTIVE", Archived = "ARCHIVED" }
);

/// Someone outside whom an owner deals with. They need no account.
#[kind(Contact, table = "contact", shelved_by = status, sample = { "name": "Dolores Quintana" })]
pub struct Model {
    pub id: ContactId,
    /// Who owns the record.
    pub organization_id: OrganizationId,
    /// The outside party that they speak for.
    pub external_party_id: Option<ExternalPartyId>,
    pub name: String,
    /// Such as board president or dispatcher.
    pub role: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub notes: Option<String>,
    #[policy]
    pub status: ContactStatus,
    /// For optimistic locking: send it with a change.
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

/// Which contacts.
#[filter]
pub struct ContactFilter {
    /// Words, each of which occurs in the name, the role, the addresses or the notes.
    #[search]
    #[text(100)]
    pub search: Option<String>,
    #[is(ExternalPartyId)]
    pub external_party_id: Option<ExternalPartyId>,
    #[shelf(Status)]
    pub status: Option<Vec<ContactStatus>>,
    /// Its name begins so.
    #[begins(Name)]
    #[text(200)]
    pub name_begins: Option<String>,
}

orders!(ContactOrder of ContactFilter, else NameAsc {
    NameAsc = "NAME_ASC", NameDesc = "NAME_DESC": Name;
    // Ids are made in the order of their time.
    CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": Id;
});
