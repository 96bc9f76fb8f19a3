//! Outside parties that an owner deals with: HOAs and vendors who may have no account. Never
//! authoritative.

use crate::prelude::*;

schema::id!(
    /// An HOA or a vendor, as one owner knows it.
    ExternalPartyId = 0xb1
);

text_enum!(
    /// What an outside party is.
    ExternalPartyKind { Hoa = "HOA", Vendor = "VENDOR" }
);

text_enum!(
    /// Archived things stay, and stay out of the way.
    ExternalPartyStatus { Active = "ACTIVE", Archived = "ARCHIVED" }
);

/// An HOA or a vendor, as its owner knows it. Not a system of record.
#[kind(ExternalParty, table = "external_party", shelved_by = status, sample = { "kind": "HOA", "name": "Ridge" })]
pub struct Model {
    pub id: ExternalPartyId,
    pub organization_id: OrganizationId,
    #[policy]
    #[fixed]
    pub kind: ExternalPartyKind,
    pub name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub website: Option<String>,
    pub notes: Option<String>,
    /// The organization that it turned out to be, if it has an account here.
    pub linked_organization_id: Option<OrganizationId>,
    #[policy]
    pub status: ExternalPartyStatus,
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

/// Which outside parties.
#[filter]
pub struct ExternalPartyFilter {
    /// Words, each of which occurs in the name, the addresses or the notes.
    #[search]
    #[text(100)]
    pub search: Option<String>,
    /// Any of these.
    #[any(Kind)]
    pub kind: Option<Vec<ExternalPartyKind>>,
    #[shelf(Status)]
    pub status: Option<Vec<ExternalPartyStatus>>,
    /// Its name begins so.
    #[begins(Name)]
    #[text(200)]
    pub name_begins: Option<String>,
}

orders!(ExternalPartyOrder of ExternalPartyFilter, else NameAsc {
    NameAsc = "NAME_ASC", NameDesc = "NAME_DESC": Name;
    // Ids are made in the order of their time.
    CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": Id;
});
