pub mod begin;
pub mod set;

use crate::prelude::*;
use concierge::service_level;

// One entry a line, so that a new procedure adds one line.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<set::Set>(),
    Entry::of::<begin::Begin>(),
    Entry::of::<Get>(),
    Entry::of::<List>(),
];

const CHANGE: Runs = Runs::mutation("service_level_change", 1);

reads!(
    service_level: ServiceLevel;
    "One version of the acting desk's service level."
        "serviceLevel/v1/get" ServiceLevelGetInput, service_level
        "One version of the acting desk's service level.";
    "The versions of the acting desk's service level, a page at a time."
        "serviceLevel/v1/list" ServiceLevelListInput (StartsDesc), service_levels
        "The versions of the acting desk's service level. The latest that has begun counts.";
    ServiceLevelQuery
);
