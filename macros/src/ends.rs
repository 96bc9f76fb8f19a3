//! The traits of kinds whose rows are corrected, or count for a term: they follow from the columns.

use crate::row::Column;
use proc_macro2::TokenStream as Tokens;
use quote::quote;

/// The columns of a correction: the row replaced, when, and why.
pub const CORRECTION: [&str; 3] = ["corrects_id", "corrected_at", "correction_reason"];

/// The trait of kinds with these columns: a wrong row stays, and another takes its place.
pub fn corrects(columns: &[Column]) -> Option<Tokens> {
    let has = |name: &str| columns.iter().any(|column| column.ident == name);
    CORRECTION.into_iter().chain(["recorded_by"]).all(has).then(|| {
        quote! {
            impl ::kind::Corrects for Model {
                fn stands(&self) -> bool {
                    self.corrected_at.is_none()
                }
                fn replaced(active: &mut ActiveModel, reason: String, now: ::schema::Time) {
                    active.corrected_at = ::sea_orm::ActiveValue::Set(Some(now));
                    active.correction_reason = ::sea_orm::ActiveValue::Set(Some(reason));
                }
                fn replaces(self, wrong: &Model, id: ::uuid::Uuid, by: ::schema::PrincipalId, now: ::schema::Time) -> Model {
                    Model {
                        id: id.into(),
                        organization_id: wrong.organization_id,
                        corrects_id: Some(wrong.id),
                        corrected_at: None,
                        correction_reason: None,
                        recorded_by: by,
                        version: 1,
                        created_at: now,
                        updated_at: now,
                        ..self
                    }
                }
            }
        }
    })
}

/// The columns that say when a row's term was ended, by whom and why.
const ENDS: [[&str; 3]; 2] = [["ended_at", "ended_by", "end_reason"], ["revoked_at", "revoked_by", "revoke_reason"]];

/// The trait of kinds whose rows count for a term, which can be ended before its time.
pub fn termed(columns: &[Column]) -> Option<Tokens> {
    let column = |name: &str| columns.iter().find(|column| column.ident == name);
    let has = |names: &[&str]| names.iter().all(|name| column(name).is_some());
    let ends = ENDS.iter().find(|ends| has(&["starts_at", "ends_at"]) && has(*ends))?;
    let [at, by, why] = ends.map(|name| quote::format_ident!("{name}"));
    let (state, shown, ended, set) = match column("state") {
        Some(Column { ty, .. }) => {
            let set = quote!(active.state = ::sea_orm::ActiveValue::Set(state););
            (quote!(#ty), "state".to_owned(), quote!(self.#at.is_some() || self.state.ended()), set)
        }
        None => (quote!(()), at.to_string(), quote!(self.#at.is_some()), quote!(let () = state;)),
    };
    // Some count only once they are accepted.
    let starts = match column("asked_from") {
        Some(_) => quote!(self.starts_at.unwrap_or(self.asked_from)),
        None => quote!(self.starts_at),
    };
    Some(quote! {
        impl ::kind::Termed for Model {
            type State = #state;
            const ENDED: &'static str = #shown;
            fn term(&self) -> ::kind::Term {
                ::kind::Term { starts_at: #starts, ends_at: self.ends_at, ended: #ended }
            }
            fn end(
                active: &mut ActiveModel,
                state: #state,
                by: ::schema::PrincipalId,
                why: Option<String>,
                now: ::schema::Time,
            ) {
                #set
                active.#at = ::sea_orm::ActiveValue::Set(Some(now));
                active.#by = ::sea_orm::ActiveValue::Set(Some(by));
                active.#why = ::sea_orm::ActiveValue::Set(why);
            }
        }
    })
}
