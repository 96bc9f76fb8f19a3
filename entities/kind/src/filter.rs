//! Which rows a list holds. `#[filter]` writes the trait.

use schema::TextEnum;
use sea_orm::{
    ColumnTrait, Condition,
    sea_query::{Expr, SimpleExpr},
};

/// An input that chooses rows of a kind.
pub trait Filter: Default + Send {
    fn condition(self) -> Condition;
}

/// One of these. A list of texts is one parameter.
pub fn any<T: TextEnum>(column: impl ColumnTrait, all: Vec<T>) -> SimpleExpr {
    column.eq_any(all.into_iter().map(|one| one.text().to_owned()).collect::<Vec<_>>())
}

/// A text that begins so: by its letters, not by wildcards.
pub fn begins(column: impl ColumnTrait, start: String) -> SimpleExpr {
    Expr::cust_with_exprs("starts_with($1, $2)", [Expr::col(column.as_column_ref()), Expr::val(start)])
}
