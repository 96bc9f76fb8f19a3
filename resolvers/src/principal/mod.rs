pub mod register;

use schema::{Entry, Workflow};

pub const ALL: &[Entry] = &[Entry::of::<register::Register>()];

const CHANGE: Workflow = Workflow::new("principal_change", 1);
