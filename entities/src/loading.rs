//! Rows as subjects of the policy: loaded for judging, locked inside the domain transaction.

use crate::delegation::{self, Delegable, Delegated};
use schema::{Change, Code, Context, Error, Judged, NewEvent, OrganizationId, Resource, Result, Subject, relation};
use sea_orm::{EntityTrait, QuerySelect, Select, sea_query::LockType};
use serde_json::{Map, Value};
use uuid::Uuid;

/// What every row says of itself to the policy.
pub trait Row: Send + Sync {
    const KIND: &'static str;
    fn id(&self) -> Uuid;
    fn organization(&self) -> OrganizationId;
    fn version(&self) -> Option<i32>;
    /// Besides `relation` and `delegations`, which follow from who looks.
    fn attributes(&self) -> Map<String, Value>;
    /// What a delegation must cover to count for this row. None: no delegation does.
    fn delegable(&self) -> Option<Delegable> {
        None
    }
}

/// A row, seen by someone.
#[derive(Debug, Clone)]
pub struct Seen<R> {
    pub row: R,
    acting: OrganizationId,
    /// What the one who looks was delegated over it.
    delegations: Vec<Delegated>,
}

impl<R: Row> Seen<R> {
    pub async fn by(cx: &Context, row: R) -> Result<Self> {
        let delegations = match row.delegable() {
            Some(what) if cx.actor.delegated => {
                delegation::over(cx.tx().await?, row.organization(), what, cx.actor.principal).await?
            }
            _ => Vec::new(),
        };
        // Whoever stands for the owner acts by that.
        if !cx.actor.governs()
            && let Some(leave) = delegation::leave(&delegations, cx.verb)
        {
            cx.by_leave(leave.0);
        }
        Ok(Seen::of(row, cx.organization(), delegations))
    }

    pub fn of(row: R, acting: OrganizationId, delegations: Vec<Delegated>) -> Self {
        Seen { row, acting, delegations }
    }

    /// The same rights over something new of another kind that is to hang on this row.
    pub fn with(self, kind: &'static str, attributes: Value) -> Beside<R> {
        Beside { seen: self, kind, attributes }
    }

    fn attributes(&self, mut attributes: Map<String, Value>) -> Value {
        attributes.insert("relation".into(), relation(self.row.organization(), self.acting).into());
        if self.row.delegable().is_some() {
            let all: Vec<Value> = self.delegations.iter().map(Delegated::attribute).collect();
            attributes.insert("delegations".into(), all.into());
        }
        Value::Object(attributes)
    }
}

/// Something new of another kind, which hangs on a row.
#[derive(Debug, Clone)]
pub struct Beside<R> {
    seen: Seen<R>,
    kind: &'static str,
    attributes: Value,
}

impl<R> Beside<R> {
    pub fn into_row(self) -> R {
        self.seen.row
    }
}

impl<R: Row> Subject for Beside<R> {
    fn judged(&self) -> Judged {
        let attributes = self.attributes.as_object().cloned().unwrap_or_default();
        Judged::One(Resource {
            kind: self.kind,
            id: Uuid::nil(),
            attributes: self.seen.attributes(attributes),
            version: self.seen.row.version(),
        })
    }

    fn beheld(&self) -> Option<Resource> {
        self.seen.beheld()
    }
}

impl<R: Row> Subject for Seen<R> {
    fn judged(&self) -> Judged {
        Judged::One(Resource {
            kind: R::KIND,
            id: self.row.id(),
            attributes: self.attributes(self.row.attributes()),
            version: self.row.version(),
        })
    }
}

/// The one row of a query, or NOT_FOUND. Inside a domain transaction it is locked: plain FOR UPDATE
/// would also block the inserts of its children.
pub async fn one<E>(cx: &Context, select: Select<E>) -> Result<Seen<E::Model>>
where
    E: EntityTrait,
    E::Model: Row,
{
    let select = if cx.locking() { select.lock(LockType::NoKeyUpdate) } else { select };
    let row = select.one(cx.tx().await?).await?;
    Seen::by(cx, row.ok_or_else(|| Error::new(Code::NotFound))?).await
}

/// What happened to a row.
pub fn event<R: Row>(kind: &'static str, row: &R, change: Change) -> NewEvent {
    NewEvent {
        organization: row.organization(),
        kind,
        resource_kind: R::KIND,
        resource_id: row.id(),
        version: row.version().unwrap_or_default(),
        change,
    }
}

/// Refuses a change that was made on an older version.
pub fn expect_version(row: i32, expected: i32) -> Result<()> {
    if row == expected { Ok(()) } else { Err(Error::conflict(row)) }
}
