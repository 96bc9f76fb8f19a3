//! Rows as subjects of the policy: loaded for judging, locked inside the domain transaction.

use crate::{Delegated, Fresh, Kind, Row, delegated};
use schema::{Change, Code, Context, Error, Judged, NewEvent, OrganizationId, Resource, Result, Subject, relation};
use sea_orm::{EntityTrait, QuerySelect, Select, sea_query::LockType};
use serde_json::{Map, Value};
use uuid::Uuid;

/// A row, as one actor sees it.
#[derive(Debug, Clone)]
pub struct Seen<R> {
    pub row: R,
    acting: OrganizationId,
    /// The actions over the row that were delegated to the actor.
    delegations: Vec<Delegated>,
}

impl<R: Row> Seen<R> {
    pub async fn by(cx: &Context, row: R) -> Result<Self> {
        let delegations = match row.delegable() {
            Some(what) if cx.actor.delegated => {
                delegated::over(cx.tx().await?, row.organization(), what, cx.actor.principal).await?
            }
            _ => Vec::new(),
        };
        // An actor who stands for the owner acts in that right, and needs no delegation.
        if !cx.actor.stands_for_owner()
            && let Some(procedure) = cx.procedure
            && let Some(delegation) = delegated::permitting(&delegations, procedure)
        {
            cx.on_behalf_of(delegation);
        }
        Ok(Seen::of(row, cx.organization(), delegations))
    }

    pub fn of(row: R, acting: OrganizationId, delegations: Vec<Delegated>) -> Self {
        Seen { row, acting, delegations }
    }

    /// A new row of another kind that is to hang on this one, judged by the same rights.
    pub fn with<F: Fresh<Row: Row>>(self, fresh: F) -> NewBelow<R, F> {
        NewBelow { above: self, fresh }
    }

    fn attributes(&self, mut attributes: Map<String, Value>) -> Value {
        attributes.insert("relation".into(), relation(self.row.organization(), self.acting).into());
        if self.row.delegable().is_some() {
            let actions: Vec<&str> = self.delegations.iter().map(|one| one.action.as_str()).collect();
            attributes.insert(delegated::ATTRIBUTE.into(), actions.into());
        }
        Value::Object(attributes)
    }
}

impl<K: Kind> Seen<K> {
    /// The row with this id in the organization that the request is about, or NOT_FOUND.
    pub async fn find(cx: &Context, id: K::Id) -> Result<Self> {
        one(cx, K::by_id(K::whose(&cx.actor), id)).await
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

/// A row before it is written. The policy judges it as it will be written.
#[derive(Debug, Clone)]
pub struct New<F> {
    pub(crate) fresh: F,
    pub(crate) change: Change,
    owner: OrganizationId,
    acting: OrganizationId,
}

impl<F: Fresh<Row: Kind>> New<F> {
    /// A new row of the organization whose rows of this kind the request is about.
    pub fn of(cx: &Context, fresh: F) -> Self {
        New { fresh, change: Change::default(), owner: F::Row::whose(&cx.actor), acting: cx.organization() }
    }
}

impl<F> New<F> {
    /// Notes in the event an id that the new row refers to.
    pub fn refers(self, name: &'static str, id: impl Into<Option<Uuid>>) -> Self {
        New { change: self.change.id(name, id), ..self }
    }

    pub fn fresh(&self) -> &F {
        &self.fresh
    }
}

/// The attributes of a row that has no id yet.
fn unwritten<F: Fresh<Row: Row>>(fresh: &F, owner: OrganizationId) -> Map<String, Value> {
    fresh.clone().row(Uuid::nil(), owner, schema::Time::default()).attributes()
}

impl<F: Fresh<Row: Row>> Subject for New<F> {
    fn judged(&self) -> Judged {
        let mut attributes = unwritten(&self.fresh, self.owner);
        attributes.insert("relation".into(), relation(self.owner, self.acting).into());
        Judged::One(Resource { kind: F::Row::KIND, id: Uuid::nil(), attributes: attributes.into(), version: None })
    }
}

/// A row before it is written, which will hang on another.
#[derive(Debug, Clone)]
pub struct NewBelow<R, F> {
    pub(crate) above: Seen<R>,
    pub(crate) fresh: F,
}

impl<R, F> NewBelow<R, F> {
    /// The row that it hangs on.
    pub fn above(&self) -> &R {
        &self.above.row
    }

    pub fn fresh(&self) -> &F {
        &self.fresh
    }
}

impl<R: Row, F> From<NewBelow<R, F>> for New<F> {
    fn from(below: NewBelow<R, F>) -> Self {
        let NewBelow { above: Seen { row, acting, .. }, fresh } = below;
        New { fresh, change: Change::default(), owner: row.organization(), acting }
    }
}

impl<R: Row, F: Fresh<Row: Row>> Subject for NewBelow<R, F> {
    fn below() -> Option<&'static str> {
        Some(R::KIND)
    }

    fn judged(&self) -> Judged {
        Judged::One(Resource {
            kind: F::Row::KIND,
            id: Uuid::nil(),
            attributes: self.above.attributes(unwritten(&self.fresh, self.above.row.organization())),
            version: self.above.row.version(),
        })
    }

    fn beheld(&self) -> Option<Resource> {
        self.above.beheld()
    }
}

/// The one row of a query, or NOT_FOUND. Inside a domain transaction it is locked FOR NO KEY UPDATE: plain FOR UPDATE would
/// also block the inserts of its children.
pub async fn one<E>(cx: &Context, select: Select<E>) -> Result<Seen<E::Model>>
where
    E: EntityTrait,
    E::Model: Row,
{
    let select = if cx.locking() { select.lock(LockType::NoKeyUpdate) } else { select };
    let row = select.one(cx.tx().await?).await?;
    Seen::by(cx, row.ok_or_else(|| Error::new(Code::NOT_FOUND))?).await
}

/// The event of a row's change.
pub fn event<K: Kind>(verb: &str, row: &K, change: Change) -> NewEvent {
    let change = match row.names() {
        Some((name, id)) if !change.ids.iter().any(|(known, _)| *known == name) => change.id(name, id),
        _ => change,
    };
    NewEvent {
        organization: row.organization(),
        kind: format!("{}.{verb}", K::KIND),
        resource_kind: K::KIND,
        resource_id: row.id(),
        version: row.version().unwrap_or_default(),
        rights: K::INFO.rights == crate::Rights::Decides,
        change,
    }
}

/// Refuses a change that was made on an older version, and shows the row as it is now.
pub fn expect_version<K: Kind>(row: &K, expected: i32) -> Result<()> {
    let version = row.version().unwrap_or_default();
    if version == expected {
        return Ok(());
    }
    let current = serde_json::to_value(K::Object::from(row.clone()))?;
    let details = serde_json::json!({ "currentVersion": version, "changedAt": current["updatedAt"], "current": current });
    let error = Error::conflict(version).details(details);
    // Nobody can have read a version that is still to come.
    Err(if version < expected {
        error.message(format!("There is no version {expected} yet; it is at {version}."))
    } else {
        error
    })
}

/// The name of a column on every surface.
pub(crate) fn shown<K: Kind>(column: &str) -> &'static str {
    let known = K::COLUMNS.iter().find(|known| known.name == column);
    known.map_or_else(|| unreachable!("{} has no column {column}", K::TABLE), |known| known.field)
}
