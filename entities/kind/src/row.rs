//! The traits that `#[row]` and `#[kind]` write, and that special kinds write by hand.

use crate::OnePass;
use crate::{Delegable, KindInfo};
use async_graphql::ObjectType;
use futures_util::future::BoxFuture;
use queryplan::{Attribute, Null, Scalar, ScalarType};
use schema::{Actor, ColumnType, Datum, OrganizationId, PrincipalId, Result, TextEnum, Time, Tx};
use schemars::JsonSchema;
use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait, FromQueryResult, IntoActiveModel, QueryTrait, RuntimeErr, Select, sea_query::SimpleExpr,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use uuid::Uuid;

pub type ColumnOf<T> = <<T as Table>::Entity as EntityTrait>::Column;
pub type ActiveOf<T> = <<T as Table>::Entity as EntityTrait>::ActiveModel;

/// A table's row, read by the places of its columns. A look-up of each column by its name costs a third of a list's time.
pub trait Table: FromQueryResult + Clone + Send + Sync + Sized + 'static {
    type Entity: EntityTrait<Model = Self, ActiveModel: Send>;
    const TABLE: &'static str;
    const COLUMNS: &'static [crate::ColumnInfo];

    /// Reads a row whose columns begin at a place.
    fn read(row: &sqlx::postgres::PgRow, from: usize) -> Result<Self, sqlx::Error>;

    /// A column's value, to be compared with the column.
    fn value(&self, column: ColumnOf<Self>) -> Option<SimpleExpr>;

    /// A column's value in the eight bytes that a cursor has for it.
    fn mark(&self, column: ColumnOf<Self>) -> i64;

    /// The value behind a mark of a column. None: the row must be looked up.
    fn marked(column: ColumnOf<Self>, mark: i64) -> Option<SimpleExpr>;
}

/// A row that begins at a column of a result.
pub fn read_at<T: Table>(row: &sea_orm::QueryResult, from: usize) -> Result<T, DbErr> {
    let row = row.try_as_pg_row().ok_or_else(|| DbErr::Type("not a row of PostgreSQL".into()))?;
    T::read(row, from).map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
}

/// All rows of a selection.
pub async fn all<T: Table>(tx: &Tx, select: Select<T::Entity>) -> Result<Vec<T>> {
    all_of(tx, &select).await
}

/// The same of a selection that goes on.
pub async fn all_of<T: Table>(tx: &Tx, select: &Select<T::Entity>) -> Result<Vec<T>> {
    let rows = tx.query_all(select.as_query()).await?;
    Ok(rows.iter().map(|row| read_at(row, 0)).collect::<Result<_, DbErr>>()?)
}

/// A row as a resource of the policy.
pub trait Row: Send + Sync {
    const KIND: &'static str;
    fn id(&self) -> Uuid;
    fn organization(&self) -> OrganizationId;
    fn version(&self) -> Option<i32>;
    /// The attributes besides `relation` and `delegated`, which follow from the actor.
    fn attributes(&self) -> Map<String, Value>;
    /// The thing that a delegation must cover to count for this row. None: no delegation does.
    fn delegable(&self) -> Option<Delegable> {
        None
    }
    /// Another thing that each of the row's events refers to. By a property that is named so, a subscription to a portfolio hears
    /// of the row, too.
    fn names(&self) -> Option<(&'static str, Uuid)> {
        None
    }
}

/// A table with an API.
pub trait Kind: Table + Row + IntoActiveModel<ActiveOf<Self>> {
    type Id: Copy + From<Uuid> + Into<Uuid> + Send + Sync;
    /// The object that clients see: mostly the row itself.
    type Object: ObjectType + OnePass + From<Self> + Serialize + DeserializeOwned + JsonSchema + Clone + 'static;
    const INFO: &'static KindInfo;
    /// The id that the contract's examples show, and that the tests' rows have.
    const EXAMPLE: Self::Id;
    /// The columns of its key.
    const ORGANIZATION: ColumnOf<Self>;
    const ID: ColumnOf<Self>;
    /// True if the rows belong to the acting organization, even where a request is about another one's data.
    const ACTING: bool = false;

    fn by_id(organization: OrganizationId, id: Self::Id) -> Select<Self::Entity>;

    /// The organization whose rows an actor asks about.
    fn whose(actor: &Actor) -> OrganizationId {
        if Self::ACTING { actor.organization } else { actor.owner() }
    }

    /// Stamps a changed row with its next version and the time.
    fn stamp(active: &mut ActiveOf<Self>, version: i32, now: Time);

    /// The row that examples name and tests insert, by its columns. None: the tests have a row of their own.
    fn sample() -> Option<Value> {
        None
    }

    /// Whether the row is in a state for one of its kind's verbs, whoever asks for it.
    fn possible(&self, _verb: &str, _acting: OrganizationId, _now: chrono::DateTime<chrono::Utc>) -> bool {
        true
    }

    /// Looks at what [`possible`](Self::possible) has to know besides the rows themselves, for all of them at once.
    fn prepared<'a>(
        _tx: &'a Tx,
        _rows: &'a mut [Self],
        _acting: OrganizationId,
        _now: chrono::DateTime<chrono::Utc>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    /// Whether the row is archived: out of the way, though still there.
    fn archived(&self) -> bool {
        false
    }
}

/// The columns of a new row, without those that every row gets by itself.
pub trait Fresh: Clone + Send + Sync {
    type Row;
    fn row(self, id: Uuid, organization: OrganizationId, now: Time) -> Self::Row;
}

/// A kind whose rows are archived and restored.
pub trait Shelved: Kind {
    /// The column that tells whether a row is archived.
    const STATUS: &'static str;
    fn shelve(active: &mut ActiveOf<Self>, archived: bool, now: Time);
}

/// A kind whose wrong rows stay, each with another row in its place.
pub trait Corrects: Kind {
    /// Whether no other row has taken its place.
    fn stands(&self) -> bool;
    fn replaced(active: &mut ActiveOf<Self>, reason: String, now: Time);
    /// This row in the place of a wrong one.
    fn replaces(self, wrong: &Self, id: Uuid, by: PrincipalId, now: Time) -> Self;
}

/// The status of a row in use, or of an archived one.
pub fn shelf<S: TextEnum>(archived: bool) -> S {
    let text = if archived { "ARCHIVED" } else { "ACTIVE" };
    S::of_text(text).unwrap_or_else(|| panic!("what is archived has a status {text}"))
}

/// An attribute that policies see, from a column of this type.
pub const fn fact<T: Datum>(name: &'static str, column: &'static str) -> Attribute {
    let stored = match T::TYPE {
        ColumnType::Bool => ScalarType::Bool,
        ColumnType::Int | ColumnType::Long => ScalarType::Integer,
        ColumnType::Text => ScalarType::Text,
        ColumnType::Uuid => ScalarType::Uuid,
        ColumnType::Time => ScalarType::Timestamp,
        ColumnType::Date | ColumnType::Json | ColumnType::Bytes | ColumnType::Texts => {
            panic!("policies see no column of this type")
        }
    };
    let null = if T::NULLABLE { Null::Missing } else { Null::Never };
    Attribute::value(name, Scalar { column, stored, null })
}

/// The attributes of one row for policies, without those that have no value.
pub fn facts<const N: usize>(facts: [(&'static str, Option<Value>); N]) -> Map<String, Value> {
    facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// A refusal with this code. The details of a general code name the row's kind.
pub fn refusal<K: Kind>(code: schema::Code) -> schema::Error {
    let refusal = schema::Error::new(code);
    match code {
        schema::ARCHIVED | schema::NOT_ARCHIVED | schema::ENDED | schema::TAKEN => {
            refusal.details(serde_json::json!({ "kind": K::KIND }))
        }
        _ => refusal,
    }
}
