//! The trait of procedures. One implementation of it stands behind every surface.

use crate::{Allowed, Code, Context, Hints, Result, Subject};
use async_graphql::{InputType, OutputType};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use std::future::Future;

/// The durable workflow that a mutation runs as. Its version is the procedure's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Workflow {
    pub family: &'static str,
    pub version: u32,
}

impl Workflow {
    pub const fn new(family: &'static str, version: u32) -> Self {
        Workflow { family, version }
    }

    /// The name under which the engine knows it: `property_change_v1`.
    pub fn name(self) -> String {
        format!("{}_v{}", self.family, self.version)
    }
}

/// A version of a family of lives: long chains of short workflows, each of which waits for the next time of a row and then calls a
/// procedure. The procedure takes the id of the row, and no more; the version is the procedure's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    pub workflow: Workflow,
    pub procedure: &'static str,
}

impl Life {
    /// The life that calls this procedure.
    pub const fn of<P: Procedure>(family: &'static str, version: u32) -> Self {
        Life { workflow: Workflow::new(family, version), procedure: P::NAME }
    }

    /// The id of one of a row's workflows: `case_lifecycle_v1:{id}:{epoch}`.
    pub fn workflow_id(self, id: uuid::Uuid, epoch: i32) -> String {
        format!("{}:{id}:{epoch}", self.workflow.name())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    Read,
    Mutation(Workflow),
}

impl Runs {
    /// A mutation, by its workflow's family and version.
    pub const fn mutation(family: &'static str, version: u32) -> Self {
        Runs::Mutation(Workflow::new(family, version))
    }
}

/// The scope in which a procedure runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The acting organization, named by the header.
    Organization,
    /// The principal's own scope, for procedures that come before any organization. No header is read.
    Principal,
}

pub trait Procedure: Send + Sync + 'static {
    /// `namespace/vN/verb`: the RPC path, and GraphQL's `namespaceVerb`.
    const NAME: &'static str;
    const ABOUT: &'static str;
    const RUNS: Runs;
    /// The codes that the procedure can answer beyond [`Code::COMMON`] (and [`Code::MUTATION`]).
    const ERRORS: &'static [Code];
    const SCOPE: Scope = Scope::Organization;
    /// False: only the gateway itself calls it (timers); no surface carries it.
    const EXPOSED: bool = true;

    /// Whether the procedure changes who may do what, and so perhaps what its own actor may do.
    const CHANGES_RIGHTS: bool = false;
    /// Whether the read meets rows of organizations that engaged the acting one, besides its own.
    const ACROSS: bool = false;
    /// The rows that a read touches beside those of its page.
    const ROWS: u64 = 1;

    /// How warnings about a result are found, for a procedure that has any.
    const HINTS: Option<&'static Hints> = None;

    type Input: InputType + Serialize + DeserializeOwned + JsonSchema + garde::Validate<Context = ()> + Clone;
    type Output: OutputType + Serialize + DeserializeOwned + JsonSchema;
    type Subject: Subject;

    /// A valid input: for OpenAPI and for the enumerated tests.
    fn example() -> Self::Input;

    /// The subject that the policy judges. Runs once before the decision and again, with locks, inside the domain transaction.
    fn subject(cx: &Context, input: &Self::Input) -> impl Future<Output = Result<Self::Subject>> + Send;

    fn handle(
        cx: &Context,
        allowed: Allowed<Self::Subject>,
        input: Self::Input,
    ) -> impl Future<Output = Result<Self::Output>> + Send;
}

/// The position of the first slash, or the end if there is none.
const fn slash(text: &str) -> usize {
    let mut at = 0;
    while at < text.len() && text.as_bytes()[at] != b'/' {
        at += 1;
    }
    at
}

/// The text before the first slash, and the text behind it; neither is empty.
const fn cut(text: &'static str) -> (&'static str, &'static str) {
    let at = slash(text);
    assert!(at > 0 && at + 1 < text.len(), "a procedure is named namespace/vN/verb");
    let (before, rest) = text.split_at(at);
    (before, rest.split_at(1).1)
}

/// A procedure's name, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    pub namespace: &'static str,
    pub version: u32,
    pub verb: &'static str,
}

impl Name {
    /// Takes a name apart when the program is compiled: a name of another form does not compile.
    pub const fn of(name: &'static str) -> Name {
        let (namespace, rest) = cut(name);
        let (version, verb) = cut(rest);
        let (v, version) = version.split_at(1);
        match u32::from_str_radix(version, 10) {
            Ok(version) if v.as_bytes()[0] == b'v' && slash(verb) == verb.len() => Name { namespace, version, verb },
            _ => panic!("a procedure is named namespace/vN/verb"),
        }
    }

    /// `property/v1/create` → `propertyCreate`, version 2 → `propertyCreateV2`.
    pub fn field(self) -> String {
        let mut verb = self.verb.chars();
        let first = verb.next().map(|c| c.to_ascii_uppercase());
        let mut field: String = self.namespace.chars().chain(first).chain(verb).collect();
        if self.version > 1 {
            field.push_str(&format!("V{}", self.version));
        }
        field
    }

    /// `PropertyCreatePayload`.
    pub fn payload(self) -> String {
        let field = self.field();
        let mut chars = field.chars();
        let first = chars.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(chars).chain("Payload".chars()).collect()
    }

    /// The action that the policy judges: a mutation's verb; every read is `read`, so that a single
    /// read and the filter of a list ask the same rule.
    pub fn action(self, runs: Runs) -> &'static str {
        match runs {
            Runs::Read => "read",
            Runs::Mutation(_) => self.verb,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn a_name_is_taken_apart_and_any_other_is_refused() {
        const NAME: Name = Name::of("externalParty/v12/setUp");
        assert_eq!(NAME, Name { namespace: "externalParty", version: 12, verb: "setUp" });
        assert_eq!(NAME.field(), "externalPartySetUpV12");
        for other in ["", "a", "a/v1", "a/v1/", "/v1/b", "a//b", "a/1/b", "a/v/b", "a/vx/b", "a/v1/b/c"] {
            assert!(std::panic::catch_unwind(|| Name::of(other)).is_err(), "{other}");
        }
    }
}
