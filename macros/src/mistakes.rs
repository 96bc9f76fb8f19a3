//! Mistakes in declarations: each is told in words, at the place where it was made.

use proc_macro2::TokenStream;
use std::str::FromStr;

type Expand = fn(TokenStream, TokenStream) -> syn::Result<TokenStream>;

/// The message of a refused declaration, and the text that it points at.
fn refused(expand: Expand, args: &str, item: &str) -> (String, String) {
    let tokens = |text: &str| TokenStream::from_str(text).expect("tokens");
    let error = expand(tokens(args), tokens(item)).expect_err("a mistake");
    (error.to_string(), error.span().source_text().unwrap_or_default())
}

fn kind(args: &str, fields: &str) -> (String, String) {
    refused(crate::kind::expand, args, &format!("/// A party.\npub struct Model {{ {fields} }}"))
}

const WHOLE: &str =
    "pub id: PartyId, pub organization_id: OrganizationId, pub version: i32, pub created_at: Time, pub updated_at: Time,";

fn told(message: &str, place: &str) -> (String, String) {
    (message.to_owned(), place.to_owned())
}

#[test]
fn a_kind_says_its_object_and_its_table() {
    let item = format!("/// A party.\npub struct Model {{ {WHOLE} }}");
    let (message, _) = refused(crate::kind::expand, "table = \"party\"", &item);
    assert_eq!(message, "say how clients call it: #[kind(ExternalParty, …)]");
    let (message, _) = refused(crate::kind::expand, "Party", &item);
    assert_eq!(message, "say which table: table = \"…\"");
}

#[test]
fn an_unknown_argument_is_named() {
    let (message, place) = kind("Party, table = \"party\", tabel = 1", WHOLE);
    assert!(message.starts_with("#[kind] takes the object's name, table, "), "{message}");
    assert_eq!(place, "tabel");
}

#[test]
fn a_kind_has_the_columns_of_every_kind() {
    let message = "a kind has version; one that is special writes the trait Kind by hand";
    let fields = "pub id: PartyId, pub organization_id: OrganizationId, pub created_at: Time, pub updated_at: Time,";
    assert_eq!(kind("Party, table = \"party\"", fields), told(message, "Model"));
}

#[test]
fn arguments_name_fields_that_there_are() {
    for argument in ["shelved_by = state", "below = state", "changes = [state]"] {
        assert_eq!(kind(&format!("Party, table = \"party\", {argument}"), WHOLE), told("no such field", "state"));
    }
}

#[test]
fn policies_are_not_shown_an_id_twice() {
    let fields = WHOLE.replacen("pub id", "#[policy] pub id", 1);
    assert_eq!(kind("Party, table = \"party\"", &fields), told("policies see who and whose it is anyway", "#[policy]"));
}

#[test]
fn a_kind_tells_clients_about_itself() {
    let item = format!("pub struct Model {{ {WHOLE} }}");
    let (message, place) = refused(crate::kind::expand, "Party, table = \"party\"", &item);
    assert_eq!((message.as_str(), place.as_str()), ("say in a doc comment what clients read about it", "Model"));
}

#[test]
fn a_row_is_a_plain_struct_called_model() {
    let row = |item| refused(crate::row::expand, "table = \"party\"", item);
    assert_eq!(row("pub struct Party { id: Uuid }"), told("a row is called Model: SeaORM wants it so", "Party"));
    assert_eq!(row("pub struct Model(Uuid);"), told("a struct with #[row] has named fields", "Model"));
    assert_eq!(row("pub struct Model<T> { id: T }"), told("a struct with #[row] has no parameters", "<T>"));
    assert_eq!(row("pub enum Model { One }").0, "#[row] stands on a struct");
}

#[test]
fn a_filters_field_says_how_it_chooses() {
    let filter =
        |fields: &str| refused(crate::filter::expand, "", &format!("/// Which parties.\npub struct PartyFilter {{ {fields} }}"));
    let message = "say how it chooses: one of any, shelf, is, begins, from, until, set, unless, search, by";
    assert_eq!(filter("pub name: Option<String>"), told(message, "name"));
    assert_eq!(filter("#[is(Name)] pub name: String"), told("a filter's field may be absent: make it an Option", "String"));
    assert_eq!(filter("#[is(Name)] #[begins(Name)] pub name: Option<String>").0, "one such word is enough");
}

#[test]
fn an_inputs_field_has_a_rule_that_there_is() {
    let input = |fields: &str| refused(crate::input::expand, "", &format!("pub struct PartyInput {{ {fields} }}"));
    assert_eq!(input("#[patch(txt(20))] pub name: Option<String>").1, "txt(20)");
    assert_eq!(input("#[text] pub name: String"), told("#[text] is not written so", "text"));
    let message = "a field that may be undefined is part of a patch: say #[patch]";
    assert_eq!(input("pub name: MaybeUndefined<String>"), told(message, "MaybeUndefined<String>"));
    let message = "a patch's field is an Option if it can't be cleared, and a MaybeUndefined if it can";
    assert_eq!(input("#[patch] pub name: String"), told(message, "String"));
}

#[test]
fn names_of_policies_and_of_added_columns_are_given() {
    let fields = format!("{WHOLE} #[added] pub rank: i32,");
    assert_eq!(kind("Party, table = \"party\"", &fields), told("say what outcomes from before have", "#[added]"));
    let fields = format!("{WHOLE} #[fixed(true)] pub rank: i32,");
    assert_eq!(kind("Party, table = \"party\"", &fields).0, "#[fixed] takes nothing");
}
