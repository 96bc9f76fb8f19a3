//! Filters: inputs that choose the rows of a list. `#[filter]` writes the trait.

use schema::TextEnum;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait,
    sea_query::{Alias, Expr, SimpleExpr},
};

/// An input that chooses rows of a kind.
pub trait Filter: Default + Send {
    fn condition(self) -> Condition;
}

/// The condition that a column holds one of several texts. The list of texts is one parameter.
pub fn any<T: TextEnum>(column: impl ColumnTrait, all: Vec<T>) -> SimpleExpr {
    column.eq_any(all.into_iter().map(|one| one.text().to_owned()).collect::<Vec<_>>())
}

/// The condition that a row is in one of these states of a shelf. Where none is asked for, the archived stay out of the way.
pub fn shelf<T: TextEnum>(column: impl ColumnTrait, asked: Option<Vec<T>>) -> SimpleExpr {
    match asked {
        Some(all) => any(column, all),
        None => column.ne(crate::row::shelf::<T>(true).text()),
    }
}

/// The condition that a column's text begins with these letters. Wildcards have no meaning in them.
pub fn begins(column: impl ColumnTrait, start: String) -> SimpleExpr {
    Expr::cust_with_exprs("starts_with($1, $2)", [Expr::col(column.as_column_ref()), Expr::val(start)])
}

/// The most words of a search.
const WORDS: usize = 10;

/// The words of a search, in small letters.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    text.split_whitespace().take(WORDS).map(str::to_lowercase)
}

/// The condition that each of these words occurs among the texts by which people know a row. A longer word may be misspelt.
pub fn search(of: impl EntityTrait, words: &str) -> Condition {
    let words = self::words(words);
    let column = || Expr::col((of, Alias::new("search")));
    let found = words.map(|word| Expr::cust_with_exprs("app.occurs($1, $2)", [Expr::val(word), column()]));
    found.fold(Condition::all(), Condition::add)
}
