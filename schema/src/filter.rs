//! What is judged, and the proof that it was. `Allowed` has no public constructor: only the waist
//! builds one, after the policy said yes.

use sea_orm::Condition;
use serde_json::Value;
use uuid::Uuid;

/// One thing, as the policy sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    pub kind: &'static str,
    pub id: Uuid,
    pub attributes: Value,
    /// Of the row that was read, if it has one: what the domain transaction must find again.
    pub version: Option<i32>,
}

/// How a procedure is judged.
#[derive(Debug, Clone, PartialEq)]
pub enum Judged {
    /// `authorize(action, kind, id)`.
    One(Resource),
    /// `query_filter(action, kind)` for each of these: the handler gets the conditions and must apply
    /// them.
    Filter(&'static [&'static str]),
}

pub trait Subject: Send + Sync {
    fn judged(&self) -> Judged;

    /// What one must be able to see to be told that one may not do this to it.
    fn beheld(&self) -> Option<Resource> {
        match self.judged() {
            Judged::One(resource) => Some(resource).filter(|resource| !resource.id.is_nil()),
            Judged::Filter(_) => None,
        }
    }
}

/// A question to the policy.
#[derive(Debug, Clone)]
pub struct Check {
    pub action: &'static str,
    pub resource: Resource,
}

/// The rows of each kind that the caller may see.
pub(crate) type Filters = Vec<(&'static str, Condition)>;

#[derive(Debug)]
pub struct Allowed<S> {
    subject: S,
    filters: Filters,
}

impl<S> Allowed<S> {
    pub(crate) fn new(subject: S, filters: Filters) -> Self {
        Allowed { subject, filters }
    }

    pub fn into_subject(self) -> S {
        self.subject
    }

    pub fn subject(&self) -> &S {
        &self.subject
    }

    /// The rows of a kind that the caller may see. Without a plan there are none.
    pub fn filter(&self, kind: &str) -> Condition {
        let known = self.filters.iter().find(|(of, _)| *of == kind);
        known.map_or_else(|| Condition::any().add(sea_orm::sea_query::Expr::val(false)), |(_, filter)| filter.clone())
    }
}
