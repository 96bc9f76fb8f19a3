//! The history: the event log as people read it, with who changed a thing, when, and on whose behalf.

use crate::{
    case::Case,
    doer::Doer,
    node::{self, Node},
    prelude::*,
};
use async_graphql::{ComplexObject, Context, SimpleObject};
use kind::{Connection, Delegable, Page, delegated, page};
use queryplan::{Attribute, Scalar};
use schema::{Nullable, Reading, Result, nullable, snapshot};
use sea_orm::{Condition, JsonValue as Json, sea_query::Expr};
use serde_json::{Map, Value};

pub const KIND: &str = kind::relation::HISTORY;
pub static RESOURCE: queryplan::Resource = queryplan::Resource {
    table: "event",
    id: Scalar::uuid("operation_id"),
    attributes: &[
        kind::relation("organization_id"),
        delegated::attribute(&delegated::OF_EVENT),
        Attribute::text("resourceKind", "resource_kind"),
    ],
};
pub static INFO: KindInfo = KindInfo::listed::<Model>(KIND, &RESOURCE);

/// An event's row.
#[row(table = "event")]
pub struct Model {
    #[key]
    pub organization_id: OrganizationId,
    #[key]
    pub seq: i64,
    pub kind: String,
    pub resource_kind: String,
    pub resource_id: Uuid,
    pub version: i32,
    pub actor: PrincipalId,
    pub actor_kind: PrincipalKind,
    pub actor_name: Option<String>,
    pub actor_organization_id: OrganizationId,
    pub on_behalf_of: Option<Uuid>,
    pub operation_id: OperationId,
    pub trace_id: Option<String>,
    pub change: Json,
    pub at: Time,
}

impl Row for Model {
    const KIND: &'static str = KIND;
    fn id(&self) -> Uuid {
        self.operation_id.0
    }
    fn organization(&self) -> OrganizationId {
        self.organization_id
    }
    fn version(&self) -> Option<i32> {
        None
    }
    fn attributes(&self) -> Map<String, Value> {
        kind::facts([("resourceKind", Some(self.resource_kind.clone().into()))])
    }
    fn delegable(&self) -> Option<Delegable> {
        // The id of a thing that is none of those finds no delegation.
        Some(Delegable::Resource(self.resource_id))
    }
}

/// One change, as the log keeps it: names of fields and ids, never contents.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject)]
#[graphql(complex)]
pub struct HistoryEntry {
    pub id: async_graphql::ID,
    /// Dense, in the order of commits, within an organization.
    pub seq: Long,
    #[graphql(skip)]
    organization_id: OrganizationId,
    /// Such as `property.updated`.
    pub kind: String,
    /// The thing that it happened to is of this kind, such as `property`.
    pub resource_kind: String,
    pub resource_id: async_graphql::ID,
    /// The version that it led to.
    pub version: i32,
    pub at: Time,
    /// Who did it.
    pub actor_id: PrincipalId,
    pub actor_kind: PrincipalKind,
    /// For which organization they acted.
    pub actor_organization_id: OrganizationId,
    #[graphql(skip)]
    actor_name: Option<String>,
    #[graphql(skip)]
    on_behalf_of: Option<Uuid>,
    pub operation_id: OperationId,
    pub trace_id: Option<String>,
    /// Names of the fields that changed.
    pub fields: Vec<String>,
    /// What it refers to.
    pub references: Vec<Reference>,
    /// Of some fields, such as states, times and ids: the values before and after.
    pub moves: Vec<FieldMove>,
}

/// A field's value before a change and after it.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject)]
pub struct FieldMove {
    /// Such as `state`.
    pub field: String,
    /// Null: it was empty.
    pub from: Option<String>,
    /// Null: it is empty.
    pub to: Option<String>,
}

/// Something that a change refers to.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject)]
pub struct Reference {
    /// Such as `portfolioId`.
    pub name: String,
    pub id: async_graphql::ID,
}

impl From<Model> for HistoryEntry {
    fn from(row: Model) -> Self {
        let strings =
            |value: &Value| value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        let references = row.change["ids"].as_object().into_iter().flatten();
        let references = references.filter_map(|(name, id)| Some(Reference { name: name.clone(), id: id.as_str()?.into() }));
        let text = |value: &Value| match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        let moves = row.change["moves"].as_array().into_iter().flatten();
        let moves = moves.filter_map(|one| {
            Some(FieldMove { field: one["field"].as_str()?.to_owned(), from: text(&one["from"]), to: text(&one["to"]) })
        });
        HistoryEntry {
            id: format!("{}.{}", row.organization_id, row.seq).into(),
            seq: Long(row.seq),
            organization_id: row.organization_id,
            version: row.version,
            at: row.at,
            actor_id: row.actor,
            actor_kind: row.actor_kind,
            actor_name: row.actor_name,
            actor_organization_id: row.actor_organization_id,
            on_behalf_of: row.on_behalf_of,
            operation_id: row.operation_id,
            trace_id: row.trace_id,
            fields: strings(&row.change["fields"]),
            references: references.collect(),
            moves: moves.collect(),
            resource_id: row.resource_id.to_string().into(),
            resource_kind: row.resource_kind,
            kind: row.kind,
        }
    }
}

kind::related!(HistoryEntry);

impl HistoryEntry {
    pub fn thing(&self) -> Thing {
        Thing(self.organization_id, self.resource_kind.clone(), self.resource_id.parse().unwrap_or_default())
    }

    pub fn doer(&self) -> Doer {
        Doer {
            who: self.actor_id,
            kind: self.actor_kind,
            name: self.actor_name.clone(),
            owner: self.organization_id,
            acting: self.actor_organization_id,
            leave: self.on_behalf_of.map(|id| (self.organization_id, id)),
        }
    }
}

/// A page of the history of one thing, newest first, as far as the reader may see it.
pub async fn list(
    reading: &dyn Reading,
    organization: OrganizationId,
    kind: &'static str,
    resource: Uuid,
    page: Page,
) -> Result<Connection<HistoryEntry>> {
    let select = of(organization).filter(Column::ResourceId.eq(resource)).filter(Column::ResourceKind.eq(kind));
    let which = Condition::all().add(reading.filter(KIND)?);
    let sort = page::Sort { list: "history", order: "SEQ_DESC", column: Column::Seq, descending: true };
    page::page(reading.tx().await?, select, which, Column::OperationId, sort, page, |row: &Model| row.operation_id.0).await
}

/// A page of all that happened about a case, newest first, as far as the reader may see it: to the wish that it came of, to the case,
/// and to what hangs on it.
pub async fn of_case(reading: &dyn Reading, case: &Case, page: Page) -> Result<Connection<HistoryEntry>> {
    let about = Expr::cust_with_values(
        "resource_id = ANY (ARRAY(
           SELECT unnest($1::uuid[])
           UNION ALL SELECT id FROM case_note WHERE organization_id = $2 AND case_id = $3
           UNION ALL SELECT id FROM case_question WHERE organization_id = $2 AND case_id = $3
           UNION ALL SELECT id FROM case_link WHERE organization_id = $2 AND (case_id = $3 OR other_id = $3)))",
        [
            sea_orm::Value::from([Some(case.id.0), case.intent_id.map(|id| id.0)].into_iter().flatten().collect::<Vec<_>>()),
            case.organization_id.0.into(),
            case.id.0.into(),
        ],
    );
    let which = Condition::all().add(reading.filter(KIND)?).add(about);
    let sort = page::Sort { list: "timeline", order: "SEQ_DESC", column: Column::Seq, descending: true };
    page::page(reading.tx().await?, of(case.organization_id), which, Column::OperationId, sort, page, |row: &Model| {
        row.operation_id.0
    })
    .await
}

/// A page of all that happened in an organization, newest first, as far as the reader may see it. A thing out of sight hides its
/// changes as well, so that a page may hold fewer entries than were asked for.
pub async fn feed(reading: &dyn Reading, organization: OrganizationId, page: Page) -> Result<Connection<HistoryEntry>> {
    let sort = page::Sort { list: "feed", order: "SEQ_DESC", column: Column::Seq, descending: true };
    let which = Condition::all().add(reading.filter(KIND)?);
    // A number would tell of what is left out.
    let id = |row: &Model| row.operation_id.0;
    let page = Page { with_total: false, ..page };
    let rows = page::rows(reading.tx().await?, of(organization), which, Column::OperationId, sort, page, id).await?;
    let thing = |row: &Model| Some((crate::kind(&row.resource_kind)?.name, row.resource_id));
    let things: Vec<(&'static str, Uuid)> = rows.iter().filter_map(thing).collect();
    let seen = node::find(reading, &[organization], &things).await?;
    Ok(rows.connection(|row| thing(&row).is_some_and(|thing| seen.contains_key(&thing)).then(|| row.into())))
}

/// The thing that something happened to.
pub struct Thing(pub OrganizationId, pub String, pub Uuid);

#[ComplexObject]
impl Thing {
    /// The thing that it happened to, as it is now. Null: there is nothing to see.
    async fn node(&self, cx: &Context<'_>) -> Nullable<Node> {
        nullable(async {
            let Some(kind) = crate::kind(&self.1) else { return Ok(None) };
            Ok(node::find(&*snapshot(cx).await?, &[self.0], &[(kind.name, self.2)]).await?.into_values().next())
        })
        .await
    }
}
