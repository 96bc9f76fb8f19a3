use crate::prelude::*;
use concierge::case_link;

#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<Get>(),
    Entry::of::<List>(),
];

reads!(
    case_link: CaseLink;
    "One link between two cases of the acting organization."
        "caseLink/v1/get" CaseLinkGetInput, case_link
        "One link between two cases of the acting organization.";
    "The links between the acting organization's cases, a page at a time."
        "caseLink/v1/list" CaseLinkListInput (CreatedAsc), case_links
        "The links between the acting organization's cases.";
    CaseLinkQuery
);
