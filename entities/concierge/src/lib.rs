//! The tables of concierge work: what owners wish for, and the cases that come of it. One file a table; relations between them stand
//! above all tables, in `entities`.

pub mod about;
pub mod case;
pub mod case_link;
pub mod case_note;
pub mod case_question;
pub mod hours;
pub mod intent;
pub mod internal_note;
pub mod matter;
pub mod plan;
pub mod service_level;
pub mod work_item;

mod prelude {
    pub use kind::prelude::*;
}

kind::kinds! {
    KINDS, NAMES:
    case,
    case_link,
    case_note,
    case_question,
    intent,
    internal_note,
    service_level,
    work_item,
}

/// The state machines of concierge work.
pub const MACHINES: &[schema::Machine] =
    &[intent::IntentState::MACHINE, case::CaseState::MACHINE, case_question::QuestionState::MACHINE];
