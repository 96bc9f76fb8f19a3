//! The attributes by which kinds, their filters and their inputs are declared. Each stands on a plain struct, whose tokens pass
//! through with their spans.

mod ends;
mod field;
mod filter;
mod input;
mod kind;
mod row;
mod rules;

#[cfg(test)]
mod mistakes;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;

fn expanded(item: Tokens, made: syn::Result<Tokens>) -> TokenStream {
    // The struct stays beside the error, so that one mistake is not followed by a hundred others.
    made.unwrap_or_else(|error| [error.to_compile_error(), row::bare(item)].into_iter().collect()).into()
}

/// A table with an API: the struct is its row, the object that clients see, and the source of the attributes for policies.
///
/// `#[kind(ExternalParty, table = "external_party")]`, and where it applies: `shelved_by = status` (archived and restored),
/// `below = property_id` (hangs on a property), `names = holder_id` (each event names it), `delegated = Portfolio` (is delegated
/// itself), `rights = Decides` or `Groups`, `changes = [a, b]` (the only columns that change), `also = [attribute, …]` (more
/// attributes for policies), `finder = false` (has a finder of its own), `apart` (the object is a struct of its own),
/// `sample = { … }` (the row that tests insert). On fields: `#[policy]` (policies see it), `#[policy("name")]`, `#[fixed]`
/// (never changed), `#[added(value)]` (outcomes from before lack it).
#[proc_macro_attribute]
pub fn kind(args: TokenStream, item: TokenStream) -> TokenStream {
    let item = Tokens::from(item);
    expanded(item.clone(), kind::expand(args.into(), item))
}

/// A table without an API: `#[row(table = "portfolio_property")]`. `#[key]` stands on each column of its key, `#[fixed]` on those
/// that never change.
#[proc_macro_attribute]
pub fn row(args: TokenStream, item: TokenStream) -> TokenStream {
    let item = Tokens::from(item);
    expanded(item.clone(), row::expand(args.into(), item))
}

/// The choice of a list's rows. Each field says by one word how it chooses: `#[any(Column)]`, `#[is(Column)]`,
/// `#[begins(Column)]`, `#[from(Column)]`, `#[until(Column)]`, `#[set(Column)]`, `#[unless(Column)]` or `#[by(function)]`. A
/// rule's word says which values it takes.
#[proc_macro_attribute]
pub fn filter(args: TokenStream, item: TokenStream) -> TokenStream {
    let item = Tokens::from(item);
    expanded(item.clone(), filter::expand(args.into(), item))
}

/// An input of a procedure. Each field has at most one rule's word, such as `#[text(200)]`. `#[patch]` or `#[patch(text(200))]`
/// marks a field that may be absent. `#[input(page)]` adds the fields that choose a page; `#[input(value)]` is read as well as
/// given. `one_of(a, b)`, `some_of(a, b)` and `not_both(a, b)` are rules about several fields.
#[proc_macro_attribute]
pub fn input(args: TokenStream, item: TokenStream) -> TokenStream {
    let item = Tokens::from(item);
    expanded(item.clone(), input::expand(args.into(), item))
}
