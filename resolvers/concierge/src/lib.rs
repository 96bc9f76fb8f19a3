//! The verbs of concierge work: one folder a table, one file a verb.

pub mod case;
pub mod case_link;
pub mod case_note;
pub mod case_question;
pub mod intent;
pub mod internal_note;
pub mod service_level;
pub mod work_item;

use schema::{Entry, Life};

mod prelude {
    pub use verbs::prelude::*;
}

#[rustfmt::skip]
pub const DOMAINS: &[&[Entry]] = &[
    intent::ALL,
    case::ALL,
    case_note::ALL,
    case_question::ALL,
    case_link::ALL,
    internal_note::ALL,
    service_level::ALL,
    work_item::ALL,
];

/// The lives of concierge work.
pub const LIVES: &[Life] = &[case::advance::LIFE];

kind::query! {
    ConciergeQuery scoped:
    intent::IntentQuery,
    case::CaseQuery,
    case_note::CaseNoteQuery,
    case_question::CaseQuestionQuery,
    case_link::CaseLinkQuery,
    internal_note::InternalNoteQuery,
    service_level::ServiceLevelQuery,
    work_item::WorkItemQuery,
}
