//! Notes that a desk keeps for itself about an owner's case. They are the desk's own rows: the owner sees neither them nor their
//! events, and they stay the desk's when the engagement ends.

use crate::{case::CaseId, prelude::*};

schema::id!(
    /// One note that a desk keeps for itself.
    InternalNoteId = 0x1c1
);

/// A note that a desk keeps for itself about an owner's case.
#[kind(InternalNote, table = "internal_note", acting, changes = [])]
pub struct Model {
    pub id: InternalNoteId,
    /// The desk.
    pub organization_id: OrganizationId,
    /// Whose case it is about.
    pub owner_organization_id: OrganizationId,
    /// The case that it is about.
    pub case_id: CaseId,
    /// What it says.
    pub text: String,
    /// Who wrote it.
    pub author_id: PrincipalId,
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

/// Which notes of the desk's own.
#[filter]
pub struct InternalNoteFilter {
    /// Words, each of which occurs in the text.
    #[search]
    #[text(100)]
    pub search: Option<String>,
    /// About cases of this owner.
    #[is(OwnerOrganizationId)]
    pub owner_organization_id: Option<OrganizationId>,
    /// About this case.
    #[is(CaseId)]
    pub case_id: Option<CaseId>,
    /// Written by this person.
    #[is(AuthorId)]
    pub author_id: Option<PrincipalId>,
}

orders!(InternalNoteOrder of InternalNoteFilter, else CreatedAsc {
    // Ids are made in the order of their time.
    CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": Id;
});
