//! Notes that the owner and the desk share: the conversation about a case.

use crate::{case::CaseId, prelude::*};

schema::id!(
    /// One note in the conversation about a case.
    CaseNoteId = 0x1b1
);

/// A note in the conversation about a case, which the owner and the desk both read and write.
#[kind(CaseNote, table = "case_note", delegated = Case, names = case_id, changes = [])]
pub struct Model {
    pub id: CaseNoteId,
    /// Whose case it is about.
    pub organization_id: OrganizationId,
    /// The case that it is about.
    pub case_id: CaseId,
    /// What it says.
    pub text: String,
    /// Who wrote it.
    pub author_id: PrincipalId,
    /// The organization that the author acted for.
    pub author_organization_id: OrganizationId,
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

/// Which notes.
#[filter]
pub struct CaseNoteFilter {
    /// Words, each of which occurs in the text.
    #[search]
    #[text(100)]
    pub search: Option<String>,
    /// About this case.
    #[is(CaseId)]
    pub case_id: Option<CaseId>,
    /// Written by this person.
    #[is(AuthorId)]
    pub author_id: Option<PrincipalId>,
}

orders!(CaseNoteOrder of CaseNoteFilter, else CreatedAsc {
    // Ids are made in the order of their time.
    CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": Id;
});
