//! The verbs that change rows. They take allowed subjects only, so that the row that was judged is the row that is written.

use crate::{
    Corrects, Fresh, Kind, New, NewBelow, Row, Seen, Shelved, Table, Termed,
    row::ActiveOf,
    subject::{event, expect_version, shown},
};
use async_graphql::MaybeUndefined;
use schema::{Allowed, Change, Context, Result};
use sea_orm::ActiveModelTrait;
use std::ops::Deref;
use uuid::Uuid;

/// A row while it is changed. Its fields read as they were before.
pub struct Edit<K: Kind> {
    row: K,
    pub active: ActiveOf<K>,
    change: Change,
}

impl<K: Kind> Deref for Edit<K> {
    type Target = K;
    fn deref(&self) -> &K {
        &self.row
    }
}

impl<K: Kind> Edit<K> {
    /// Begins the change of a row that follows from the allowed change of another row.
    pub fn following(row: K) -> Self {
        Edit { active: row.clone().into_active_model(), row, change: Change::default() }
    }

    /// Notes in the event that a column changed.
    pub fn changed(&mut self, column: &str) {
        self.change.fields.push(shown::<K>(column));
    }

    /// Notes in the event that a column changed, with its values before and after. Only for states, times and ids, never for contents.
    pub fn moved(&mut self, column: &str, from: Option<serde_json::Value>, to: Option<serde_json::Value>) {
        self.changed(column);
        self.change.moves.push((shown::<K>(column), from, to));
    }

    /// Notes in the event that a relation changed.
    pub fn related(&mut self, name: &'static str) {
        self.change.fields.push(name);
    }

    /// Notes in the event an id that the change refers to.
    pub fn refers(&mut self, name: &'static str, id: impl Into<Option<Uuid>>) {
        self.change.ids.extend(id.into().map(|id| (name, id)));
    }
}

/// A field of a patch: given or not.
pub trait Patch {
    type Value;
    fn given(self) -> Option<Self::Value>;
}

impl<T> Patch for Option<T> {
    type Value = T;
    fn given(self) -> Option<T> {
        self
    }
}

impl<T> Patch for MaybeUndefined<T> {
    type Value = Option<T>;
    fn given(self) -> Option<Option<T>> {
        match self {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(value) => Some(Some(value)),
        }
    }
}

/// Puts the given fields of a patch into a row, and the names of those that change into its event.
#[macro_export]
macro_rules! patch {
    ($row:ident: $($field:ident),* $(,)?) => {
        $(
            if let Some(value) = $crate::Patch::given($field)
                && $row.$field != value
            {
                $row.changed(stringify!($field));
                $row.active.$field = ::sea_orm::ActiveValue::Set(value);
            }
        )*
    };
}

/// Puts the given fields of a patch into a row that is not written yet.
#[macro_export]
macro_rules! amend {
    ($row:ident: $($field:ident),* $(,)?) => {
        $(
            if let Some(value) = $crate::Patch::given($field) {
                $row.$field = value;
            }
        )*
    };
}

/// Takes the columns of a row over into its edit, as far as they differ: those whose values the event tells, those that it names, and
/// those that it does not.
#[macro_export]
macro_rules! settle {
    ($row:ident, $next:ident: moved $($moved:ident),*; named $($named:ident),*; silent $($silent:ident),* $(;)?) => {
        $(
            if $row.$moved != $next.$moved {
                let (from, to) = (::schema::Datum::fact(&$row.$moved), ::schema::Datum::fact(&$next.$moved));
                $row.moved(stringify!($moved), from, to);
                $row.active.$moved = ::sea_orm::ActiveValue::Set($next.$moved);
            }
        )*
        $(
            if $row.$named != $next.$named {
                $row.changed(stringify!($named));
                $row.active.$named = ::sea_orm::ActiveValue::Set($next.$named);
            }
        )*
        $(
            if $row.$silent != $next.$silent {
                $row.active.$silent = ::sea_orm::ActiveValue::Set($next.$silent);
            }
        )*
    };
}

/// The verbs of a context.
pub trait Verbs {
    /// Writes the row that was judged, with the event `created`.
    fn create<F: Fresh<Row: Kind>>(&self, allowed: Allowed<New<F>>) -> impl Future<Output = Result<F::Row>> + Send {
        self.create_as(allowed, "created")
    }

    /// Writes the new row of any subject that carries one. The event has the verb's name.
    fn create_as<F: Fresh<Row: Kind>, S: Into<New<F>> + Send>(
        &self,
        allowed: Allowed<S>,
        verb: &'static str,
    ) -> impl Future<Output = Result<F::Row>> + Send;

    /// Writes a new row below another row, and returns both. The event has the verb's name.
    fn create_below<R: Row, F: Fresh<Row: Kind>>(
        &self,
        allowed: Allowed<NewBelow<R, F>>,
        verb: &'static str,
    ) -> impl Future<Output = Result<(R, F::Row)>> + Send;

    /// Begins the change of a row that was read in this version.
    fn edit<K: Kind>(&self, allowed: Allowed<Seen<K>>, version: i32) -> Result<Edit<K>>;

    /// Begins the change of a row in whatever version it is.
    fn edit_any<K: Kind>(&self, allowed: Allowed<Seen<K>>) -> Edit<K>;

    /// Writes a changed row as its next version, with an event. A row that is as it was gets neither.
    fn save<K: Kind>(&self, edit: Edit<K>, verb: &'static str) -> impl Future<Output = Result<K>> + Send;

    /// Puts another row in the place of a wrong one, which stays and says so. The wrong row has its event first, then the right.
    fn correct<K: Corrects>(&self, edit: Edit<K>, reason: String, right: K) -> impl Future<Output = Result<K>> + Send;

    /// Writes a changed row, and then the new rows that follow from its change. Their events refer to it.
    fn split<K: Kind, F: Fresh<Row: Kind>>(
        &self,
        edit: Edit<K>,
        verb: &'static str,
        news: Vec<F>,
        new: (&'static str, &'static str),
    ) -> impl Future<Output = Result<(K, Vec<F::Row>)>> + Send;

    /// Writes a new row that follows from the change of another, to which its event refers by this name.
    fn follow<K: Kind, F: Fresh<Row: Kind>>(
        &self,
        edit: &Edit<K>,
        fresh: F,
        verb: &'static str,
        refers: &'static str,
    ) -> impl Future<Output = Result<F::Row>> + Send;

    /// Archives a row, or restores it.
    fn shelve<K: Shelved>(&self, edit: Edit<K>, archived: bool) -> impl Future<Output = Result<K>> + Send;

    /// Ends a row's term, in this state. The event has the verb's name.
    fn end<K: Termed>(
        &self,
        edit: Edit<K>,
        state: K::State,
        why: Option<String>,
        verb: &'static str,
    ) -> impl Future<Output = Result<K>> + Send;
}

/// The columns that say when a row ceased to count.
const ENDS: [&str; 3] = ["ended_at", "revoked_at", "corrected_at"];

async fn written<F: Fresh<Row: Kind>>(cx: &Context, fresh: F, verb: &str, change: Change) -> Result<F::Row> {
    // What has ended or was corrected fills nothing.
    let ends = <F::Row as Table>::COLUMNS.iter().map(|column| column.name).filter(|name| ENDS.contains(name));
    let open: String = ends.map(|name| format!(" AND {name} IS NULL")).collect();
    let whose = F::Row::whose(&cx.actor);
    cx.ensure_room(whose, <F::Row as Table>::TABLE, &open).await?;
    let row = fresh.row(cx.new_id(), whose, cx.now().into());
    let active = set_all(row);
    let row = active.insert(cx.tx().await?).await?;
    cx.changed(event(verb, &row, change));
    Ok(row)
}

fn set_all<K: Kind>(row: K) -> ActiveOf<K> {
    row.into_active_model().reset_all()
}

impl Verbs for Context {
    async fn create_as<F: Fresh<Row: Kind>, S: Into<New<F>> + Send>(
        &self,
        allowed: Allowed<S>,
        verb: &'static str,
    ) -> Result<F::Row> {
        let New { fresh, change, .. } = allowed.into_subject().into();
        written(self, fresh, verb, change).await
    }

    async fn create_below<R: Row, F: Fresh<Row: Kind>>(
        &self,
        allowed: Allowed<NewBelow<R, F>>,
        verb: &'static str,
    ) -> Result<(R, F::Row)> {
        let NewBelow { above, fresh } = allowed.into_subject();
        Ok((above.row, written(self, fresh, verb, Change::default()).await?))
    }

    fn edit<K: Kind>(&self, allowed: Allowed<Seen<K>>, version: i32) -> Result<Edit<K>> {
        let edit = self.edit_any(allowed);
        expect_version(&edit.row, version)?;
        Ok(edit)
    }

    fn edit_any<K: Kind>(&self, allowed: Allowed<Seen<K>>) -> Edit<K> {
        Edit::following(allowed.into_subject().row)
    }

    async fn save<K: Kind>(&self, edit: Edit<K>, verb: &'static str) -> Result<K> {
        let Edit { row, mut active, change } = edit;
        if !active.is_changed() && change.fields.is_empty() {
            return Ok(row);
        }
        K::stamp(&mut active, row.version().unwrap_or_default() + 1, self.now().into());
        let saved = active.update(self.tx().await?).await?;
        self.changed(event(verb, &saved, change));
        Ok(saved)
    }

    async fn correct<K: Corrects>(&self, mut edit: Edit<K>, reason: String, right: K) -> Result<K> {
        let (tx, now) = (self.tx().await?, self.now().into());
        let right = right.replaces(&edit, self.new_id(), self.actor.principal, now);
        K::replaced(&mut edit.active, reason, now);
        edit.changed("corrected_at");
        edit.refers("correctedById", right.id());
        let wrong = edit.id();
        self.save(edit, "corrected").await?;
        let right = set_all(right).insert(tx).await?;
        self.changed(event("recorded", &right, Change::default().id("correctsId", wrong)));
        Ok(right)
    }

    async fn split<K: Kind, F: Fresh<Row: Kind>>(
        &self,
        edit: Edit<K>,
        verb: &'static str,
        news: Vec<F>,
        (new_verb, refers): (&'static str, &'static str),
    ) -> Result<(K, Vec<F::Row>)> {
        let saved = self.save(edit, verb).await?;
        let mut rows = Vec::with_capacity(news.len());
        for fresh in news {
            rows.push(written(self, fresh, new_verb, Change::default().id(refers, saved.id())).await?);
        }
        Ok((saved, rows))
    }

    fn follow<K: Kind, F: Fresh<Row: Kind>>(
        &self,
        edit: &Edit<K>,
        fresh: F,
        verb: &'static str,
        refers: &'static str,
    ) -> impl Future<Output = Result<F::Row>> + Send {
        written(self, fresh, verb, Change::default().id(refers, edit.id()))
    }

    async fn shelve<K: Shelved>(&self, mut edit: Edit<K>, archived: bool) -> Result<K> {
        edit.changed(K::STATUS);
        K::shelve(&mut edit.active, archived, self.now().into());
        self.save(edit, if archived { "archived" } else { "restored" }).await
    }

    async fn end<K: Termed>(&self, mut edit: Edit<K>, state: K::State, why: Option<String>, verb: &'static str) -> Result<K> {
        edit.changed(K::ENDED);
        K::end(&mut edit.active, state, self.actor.principal, why, self.now().into());
        self.save(edit, verb).await
    }
}
