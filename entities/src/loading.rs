//! Rows as subjects of the policy: loaded for judging, locked inside the domain transaction.

use schema::{Code, Context, Error, Judged, OrganizationId, Resource, Result, Subject};
use sea_orm::{EntityTrait, QuerySelect, Select, sea_query::LockType};
use serde_json::{Map, Value};
use uuid::Uuid;

/// What every row says of itself to the policy.
pub trait Row: Send + Sync {
    const KIND: &'static str;
    fn id(&self) -> Uuid;
    fn organization(&self) -> OrganizationId;
    fn version(&self) -> Option<i32>;
    /// Besides `relation`, which follows from who looks.
    fn attributes(&self) -> Map<String, Value>;
}

/// A row, seen by someone.
#[derive(Debug, Clone)]
pub struct Seen<R> {
    pub row: R,
    acting: OrganizationId,
}

impl<R: Row> Seen<R> {
    pub fn by(cx: &Context, row: R) -> Self {
        Seen::of(row, cx.organization())
    }

    pub fn of(row: R, acting: OrganizationId) -> Self {
        Seen { row, acting }
    }
}

pub fn relation(owner: OrganizationId, acting: OrganizationId) -> &'static str {
    if owner == acting { "OWN" } else { "ENGAGED" }
}

impl<R: Row> Subject for Seen<R> {
    fn judged(&self) -> Judged {
        let mut attributes = self.row.attributes();
        attributes.insert("relation".into(), relation(self.row.organization(), self.acting).into());
        Judged::One(Resource {
            kind: R::KIND,
            id: self.row.id(),
            attributes: Value::Object(attributes),
            version: self.row.version(),
        })
    }

    fn target(&self) -> Option<OrganizationId> {
        Some(self.row.organization()).filter(|owner| *owner != self.acting)
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
    row.map(|row| Seen::by(cx, row)).ok_or_else(|| Error::new(Code::NotFound))
}

/// Refuses a change that was made on an older version.
pub fn expect_version(row: i32, expected: i32) -> Result<()> {
    if row == expected { Ok(()) } else { Err(Error::conflict(row)) }
}
