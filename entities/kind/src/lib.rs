//! The machinery of kinds. A kind is a table with an API: its row, its object for clients, its attributes for policies, and
//! the ways to list, find, relate and change it. Nothing here knows a table.

// The attribute macros write paths that begin with `::kind`; the tests of this crate need that name as well.
#[cfg(test)]
extern crate self as kind;

pub mod actions;
pub mod delegated;
pub mod filter;
pub mod in_line;
mod info;
mod node;
mod object;
pub mod one_pass;
pub mod page;
pub mod prelude;
pub mod projected;
pub mod relation;
pub mod row;
pub mod subject;
mod term;
mod verbs;

pub use delegated::{Delegable, Delegated, DelegatedAction};
pub use filter::Filter;
pub use info::{Api, ColumnInfo, KindInfo, Rights};
pub use macros::{filter, input, kind, row};
pub use node::{Thing, find};
pub use object::{Fields, object, resolve_field};
pub use one_pass::{OnePass, Ready};
pub use page::{Connection, Edge, Listed, Page, PageInfo};
pub use projected::Projected;
pub use relation::{Plan, Root, Scope, Scoped};
pub use row::{ColumnOf, Corrects, Fresh, Kind, Row, Shelved, Table, fact, facts, refusal, shelf};
pub use subject::{New, NewBelow, Seen, event, expect_version};
pub use term::{Term, Termed};
pub use verbs::{Edit, Patch, Verbs};

use queryplan::{Attribute, Scalar, ScalarType};
use schema::{OrganizationId, Sight, Tx};
use sea_orm::{ColumnTrait, sea_query::SimpleExpr};

/// The name of the binding for the acting organization.
pub const ACTING: &str = "acting";

/// The name of the binding for the principal who asks.
pub const ASKING: &str = "asking";

/// The attribute `relation`: OWN where a row belongs to the acting organization, else ENGAGED. With it, a policy needs no
/// list of the organizations that someone may see.
pub const fn relation(column: &'static str) -> Attribute {
    let stored = ScalarType::Choice { binding: ACTING, equal: "OWN", other: "ENGAGED" };
    Attribute::value("relation", Scalar::new(column, stored))
}

/// Lists the kinds of a pillar, each a module of its crate.
#[macro_export]
macro_rules! kinds {
    ($kinds:ident, $names:ident: $($module:ident,)*) => {
        /// The kinds of this crate.
        pub const $kinds: &[&$crate::KindInfo] = &[$(&$module::INFO,)*];

        /// The names of the kinds of this crate.
        pub const $names: &[&str] = &[$($module::KIND,)*];
    };
}

/// Joins several lists into one.
pub const fn joined<T: Copy, const N: usize>(lists: &[&[T]]) -> [T; N] {
    let mut first = 0;
    while lists[first].is_empty() {
        first += 1;
    }
    let mut all = [lists[first][0]; N];
    let (mut list, mut at) = (0, 0);
    while list < lists.len() {
        let mut one = 0;
        while one < lists[list].len() {
            all[at] = lists[list][one];
            at += 1;
            one += 1;
        }
        list += 1;
    }
    all
}

/// A row's place: its organization and its id.
pub type Key = (OrganizationId, uuid::Uuid);

/// The condition that a column is one of the keys' organizations. One organization becomes an equality, so that the planner
/// knows there is one; several become a list. In a transaction that reaches other organizations, a single one is a list as
/// well: beside the list of the scope, an equality would make the planner expect hardly any rows.
pub fn among(tx: &Tx, column: impl ColumnTrait, keys: &[Key]) -> SimpleExpr {
    match keys {
        [(first, _), rest @ ..] if tx.sight() == Sight::Own && rest.iter().all(|(other, _)| other == first) => column.eq(*first),
        _ => column.eq_any(keys.iter().map(|(organization, _)| organization.0).collect::<Vec<_>>()),
    }
}

#[cfg(test)]
mod tests {
    use schema::{OrganizationId, Time};
    use sea_orm::entity::prelude::*;

    schema::id!(
        /// A thing of this test.
        GadgetId = 0xa
    );

    /// A thing that gained columns since it was first shipped.
    #[crate::kind(Gadget, table = "gadget")]
    pub struct Model {
        pub id: GadgetId,
        pub organization_id: OrganizationId,
        pub name: String,
        pub colour: Option<String>,
        #[added(7)]
        pub rank: i32,
        pub version: i32,
        pub created_at: Time,
        pub updated_at: Time,
    }

    #[test]
    fn an_outcome_from_before_has_the_value_that_a_column_was_added_with() {
        let old = r#"{ "id": "01920000-0000-7000-8000-00000000000a", "organizationId": "01920000-0000-7000-8000-0000000000f1",
                       "name": "One", "version": 1, "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z" }"#;
        let gadget: Gadget = serde_json::from_str(old).expect("a gadget of before");
        assert_eq!((gadget.rank, gadget.colour), (7, None));
    }
}
