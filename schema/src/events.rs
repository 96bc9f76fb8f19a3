//! Events, by which every mutation records its changes. A transaction numbers and writes them last, behind the organization's
//! head.

use crate::OrganizationId;
use serde_json::Value;
use uuid::Uuid;

/// A change to one thing, to be written to a log.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The organization whose log gets the event: the owner of the changed thing.
    pub organization: OrganizationId,
    /// The kind of the event, such as `property.created`.
    pub kind: String,
    pub resource_kind: &'static str,
    pub resource_id: Uuid,
    pub version: i32,
    /// Whether the change may affect what somebody may do.
    pub rights: bool,
    pub change: Change,
}

/// Names of changed fields, and ids they refer to. Of some fields also the values before and after: states, times and ids. Never
/// contents: the log is kept for good.
#[derive(Debug, Clone, Default)]
pub struct Change {
    pub fields: Vec<&'static str>,
    pub ids: Vec<(&'static str, Uuid)>,
    pub moves: Vec<(&'static str, Option<Value>, Option<Value>)>,
}

impl Change {
    pub fn fields(fields: &[&'static str]) -> Self {
        Change { fields: fields.to_vec(), ..Change::default() }
    }

    pub fn id(mut self, name: &'static str, id: impl Into<Option<Uuid>>) -> Self {
        self.ids.extend(id.into().map(|id| (name, id)));
        self
    }

    pub fn to_json(&self) -> Value {
        let ids: serde_json::Map<String, Value> =
            self.ids.iter().map(|(name, id)| ((*name).to_owned(), Value::String(id.to_string()))).collect();
        let mut change = serde_json::json!({ "fields": self.fields, "ids": ids });
        if !self.moves.is_empty() {
            let moves = self.moves.iter().map(|(field, from, to)| serde_json::json!({ "field": field, "from": from, "to": to }));
            change["moves"] = moves.collect();
        }
        change
    }
}
