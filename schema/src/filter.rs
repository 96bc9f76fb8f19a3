//! The subject of a judgement, and the proof that it was allowed. `Allowed` has no public constructor: only the waist builds one,
//! after the policy said yes.

use sea_orm::Condition;
use serde_json::Value;
use std::collections::HashMap;
use uuid::Uuid;

/// One thing, as the policy sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    pub kind: &'static str,
    pub id: Uuid,
    pub attributes: Value,
    /// The version of the row that was read, if it has one. The domain transaction must find the same version again.
    pub version: Option<i32>,
}

/// The form of a judgement: one resource, or a filter for each kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Judged {
    /// `authorize(action, kind, id)`.
    One(Resource),
    /// `query_filter(action, kind)` for each of these kinds. The handler gets the conditions and must apply them.
    Filter(&'static [&'static str]),
}

pub trait Subject: Send + Sync {
    fn judged(&self) -> Judged;

    /// The kind of the thing that a new row is to hang on, by whose rights it is judged.
    fn below() -> Option<&'static str>
    where
        Self: Sized,
    {
        None
    }

    /// The resource that decides how a refusal is told: FORBIDDEN to those who can see it, NOT_FOUND to others. None: always
    /// FORBIDDEN.
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

/// The condition of each kind that was judged by a filter.
pub(crate) type Conditions = HashMap<&'static str, Condition>;

#[derive(Debug)]
pub struct Allowed<S> {
    subject: S,
    filters: Conditions,
}

impl<S> Allowed<S> {
    pub(crate) fn new(subject: S, filters: Conditions) -> Self {
        Allowed { subject, filters }
    }

    pub fn into_subject(self) -> S {
        self.subject
    }

    /// The same proof for a part of the subject, which was judged with it.
    pub fn map<T>(self, part: impl FnOnce(S) -> T) -> Allowed<T> {
        Allowed { subject: part(self.subject), filters: self.filters }
    }

    pub fn subject(&self) -> &S {
        &self.subject
    }

    /// The rows of a kind that the caller may see. Without a plan there are none.
    pub fn filter(&self, kind: &str) -> Condition {
        self.filters.get(kind).cloned().unwrap_or_else(|| Condition::any().add(sea_orm::sea_query::Expr::val(false)))
    }
}
