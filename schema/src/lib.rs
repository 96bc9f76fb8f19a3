//! The contract: procedures, the one waist that every request passes, and the ports that the outer crates implement. The crate
//! knows no table, policy or transport.

// So that this crate's own macros name it as everyone else does.
extern crate self as schema;

mod admission;
mod answer;
mod arguments;
mod clock;
mod code;
mod context;
mod cursor;
mod datum;
mod denied;
mod drift;
mod entry;
mod error;
mod events;
mod execute;
mod field_code;
mod filter;
mod fingerprint;
mod gateway;
mod graphql_field;
mod id;
pub mod input;
mod live;
mod long;
mod metrics;
mod number;
mod operation;
mod ports;
mod procedure;
pub mod quota;
mod rates;
mod reading;
mod reads;
mod run;
pub mod seen;
mod singleflight;
mod states;
mod text_enum;
mod time;
mod trace;
mod user_error;
pub mod valid;
mod waits;
mod warning;

pub use admission::{Admitted, slowly};
pub use answer::Answer;
pub use arguments::contained;
pub use clock::{Chance, Clock, RandomIds, SystemClock};
pub use code::{ARCHIVED, Code, ENDED, INVALID_TRANSITION, NOT_ARCHIVED, Said, TAKEN, Type};
pub use context::{Context, relation};
pub use cursor::{Cursor, Ordering};
pub use datum::{ColumnType, Datum, TextEnum, mark_of_text};
pub use denied::{Denials, Denied, short_hash};
pub use drift::Drift;
pub use entry::{Entry, Surface, WITH_WARNINGS};
pub use error::{Cause, Constraint, Error, FieldError, Result};
pub use events::{Change, NewEvent};
pub use execute::execute;
pub use field_code::FieldCode;
pub use filter::{Allowed, Check, Judged, Resource, Subject};
pub use fingerprint::FingerprintKey;
pub use gateway::{Gateway, Limits, Table, Tasks};
pub use graphql_field::{Payload, resolve_mutation};
pub use id::{AccessGrantId, OperationId, OrganizationId, PrincipalId, example, hyphenated};
pub use input::{camel_case, parse as parse_input, present};
pub use live::{Expired, Live, LogId, LogPosition, Rights, Visibility, visibility};
pub use long::Long;
pub use metrics::SECONDS;
pub use number::Number;
pub use operation::{
    Claim, NewOperation, Operation, OperationError, OperationFields, OperationRow, OperationState, Outcome, StoredError,
    declare_operation_fields,
};
pub use ports::{
    Actor, Boundary, Claimed, Decide, Due, Engine, Faults, Filter, Guard, Identity, Judge, Log, NoFaults, Operations, PeopleAct,
    Run, SignedIn, Through, Verdict,
};
pub use procedure::{Life, Name, Procedure, Runs, Scope, Workflow};
pub use quota::Quota;
pub use rates::{Elsewhere, MUTATION, Paid, Payer, REQUEST, Rate, RateLimits, RateMode, Rates};
pub use reading::{Proven, Reading};
pub use reads::{Caller, Filters, Nullable, Planned, Reads, Snapshot, load_one, nullable, snapshot};
pub use run::{read, resume, run};
pub use states::{Machine, Move};
pub use store::{Cell, Lanes, MOST_ACROSS, Mode, Presence, Reach, Sight, Turn, Turns, Tx, Whose, one_of};
pub use text_enum::{PrincipalKind, Role, told_enum};
pub use time::{Date, Time};
pub use trace::{Carried, continue_from, current_trace_id, link_to, traceparent};
pub use user_error::{ErrorCode, ErrorDetails, UserError, declare_codes};
pub use waits::Waits;
pub use warning::{Hints, Warning, WarningCode};

/// Re-exported for the macros of this crate.
#[doc(hidden)]
pub mod private {
    pub use {async_graphql, async_trait, schemars, sea_orm, serde, serde_json, sqlx, store, uuid};
}
