//! A procedure with its types erased, so that a table can hold it and every surface can carry it.

use crate::{
    Actor, Allowed, Answer, Caller, Code, Context, Error, Gateway, Hints, Judged, Name, Outcome, Procedure, Result, Runs, Scope,
    Subject,
    filter::Conditions,
    graphql_field, input,
    operation::Claim,
    run::{about, authorize, judged_hash, mutate, payload, read},
};
use async_graphql::{
    ServerResult,
    registry::{MetaField, Registry},
};
use async_trait::async_trait;
use schemars::{Schema, SchemaGenerator};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Map, Value};
use std::{marker::PhantomData, sync::Arc};
use uuid::Uuid;

/// The surfaces that carry a procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// RPC and GraphQL.
    Everywhere,
    /// No surface: only the gateway itself calls the procedure.
    Inside,
}

#[derive(Clone, Copy)]
pub struct Entry(&'static dyn Erased);

impl Entry {
    pub const fn of<P: Procedure>() -> Self {
        Entry(&Of::<P>(PhantomData))
    }

    pub fn name(&self) -> &'static str {
        self.0.name()
    }
    pub fn parts(&self) -> Name {
        self.0.parts()
    }
    pub fn about(&self) -> &'static str {
        self.0.about()
    }
    pub fn runs(&self) -> Runs {
        self.0.runs()
    }
    pub fn scope(&self) -> Scope {
        self.0.scope()
    }
    pub fn surface(&self) -> Surface {
        self.0.surface()
    }
    /// Whether clients call it for an organization.
    pub fn in_an_organization(&self) -> bool {
        self.scope() == Scope::Organization && self.surface() == Surface::Everywhere
    }
    /// The kind of the thing that a new row hangs on.
    pub fn below(&self) -> Option<&'static str> {
        self.0.below()
    }
    /// How the procedure finds its warnings.
    pub fn hints(&self) -> Option<&'static Hints> {
        self.0.hints()
    }
    pub(crate) fn changes_rights(&self) -> bool {
        self.0.changes_rights()
    }
    pub(crate) fn across(&self) -> bool {
        self.0.across()
    }
    pub fn is_mutation(&self) -> bool {
        matches!(self.runs(), Runs::Mutation(_))
    }
    /// Every code that the procedure can answer.
    pub fn errors(&self) -> Vec<Code> {
        let mutation: &[Code] = if self.is_mutation() { Code::MUTATION } else { &[] };
        let mut codes: Vec<Code> = [Code::COMMON, mutation, self.0.errors()].concat();
        let mut seen = Vec::new();
        codes.retain(|code| {
            !seen.contains(code) && {
                seen.push(*code);
                true
            }
        });
        codes
    }
    pub fn example(&self) -> Value {
        self.0.example()
    }
    pub fn input_schema(&self, generator: &mut SchemaGenerator) -> Schema {
        self.0.input_schema(generator)
    }
    pub fn output_schema(&self, generator: &mut SchemaGenerator) -> Schema {
        self.0.output_schema(generator)
    }
    /// Parses an input of this procedure and writes it back, for the tests of every procedure's round trip.
    pub fn round_trip(&self, input: Value) -> Result<Value> {
        self.0.round_trip(input)
    }

    /// Reads an outcome as GraphQL does, for the test that old outcomes stay readable.
    pub fn reads(&self, outcome: Value) -> Result<()> {
        self.0.reads(outcome)
    }

    /// A call by JSON. The body holds the input's fields and, for a mutation, the idempotency key.
    pub async fn call(&self, gateway: &Arc<Gateway>, caller: &Caller, body: Map<String, Value>) -> Result<Value> {
        self.0.call(gateway, caller, body).await
    }

    pub fn field(&self, registry: &mut Registry) -> MetaField {
        self.0.field(registry)
    }

    pub async fn resolve<'a>(&self, cx: &async_graphql::Context<'a>) -> ServerResult<Option<async_graphql::Value>> {
        self.0.resolve(cx).await
    }

    pub(crate) async fn perform(&self, cx: &Context, payload: Value, claim: &Claim) -> Result<Performed> {
        self.0.perform(cx, payload, claim).await
    }

    pub(crate) async fn judge(&self, gateway: &Arc<Gateway>, actor: Actor, payload: Value) -> Result<Claim> {
        self.0.judge(gateway, actor, payload).await
    }
}

pub(crate) enum Performed {
    /// The subject is no longer the one that was judged.
    Moved,
    Ended(Outcome),
}

#[async_trait]
trait Erased: Send + Sync {
    fn name(&self) -> &'static str;
    fn parts(&self) -> Name;
    fn about(&self) -> &'static str;
    fn runs(&self) -> Runs;
    fn scope(&self) -> Scope;
    fn surface(&self) -> Surface;
    fn errors(&self) -> &'static [Code];
    fn below(&self) -> Option<&'static str>;
    fn hints(&self) -> Option<&'static Hints>;
    fn changes_rights(&self) -> bool;
    fn across(&self) -> bool;
    fn example(&self) -> Value;
    fn input_schema(&self, generator: &mut SchemaGenerator) -> Schema;
    fn output_schema(&self, generator: &mut SchemaGenerator) -> Schema;
    fn round_trip(&self, input: Value) -> Result<Value>;
    fn reads(&self, outcome: Value) -> Result<()>;
    fn field(&self, registry: &mut Registry) -> MetaField;
    async fn call(&self, gateway: &Arc<Gateway>, caller: &Caller, body: Map<String, Value>) -> Result<Value>;
    async fn resolve(&self, cx: &async_graphql::Context<'_>) -> ServerResult<Option<async_graphql::Value>>;
    async fn perform(&self, cx: &Context, payload: Value, claim: &Claim) -> Result<Performed>;
    async fn judge(&self, gateway: &Arc<Gateway>, actor: Actor, payload: Value) -> Result<Claim>;
}

/// The field beside the key that asks for warnings.
pub const WITH_WARNINGS: &str = "withWarnings";

fn warnings_wanted(body: &mut Map<String, Value>) -> Result<bool> {
    match body.remove(WITH_WARNINGS) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(wanted)) => Ok(wanted),
        Some(_) => Err(Error::invalid(WITH_WARNINGS, "WRONG_TYPE", input::WRONG_TYPE)),
    }
}

/// The rows that a read may touch: those of its page, and those that a total is counted over.
fn rows(body: &Map<String, Value>) -> u64 {
    let asked = ["first", "last"].iter().find_map(|name| body.get(*name)?.as_u64());
    let total = body.get("withTotal").is_some_and(|total| *total == Value::Bool(true));
    asked.map_or(MANY, |asked| asked.min(100)) + if total { MANY } else { 0 }
}

/// The rows of a page that says no number, and the worth of a total.
const MANY: u64 = 20;

struct Of<P>(PhantomData<fn() -> P>);

#[async_trait]
impl<P: Procedure> Erased for Of<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }
    fn below(&self) -> Option<&'static str> {
        P::Subject::below()
    }
    fn parts(&self) -> Name {
        const { Name::of(P::NAME) }
    }
    fn about(&self) -> &'static str {
        P::ABOUT
    }
    fn runs(&self) -> Runs {
        P::RUNS
    }
    fn scope(&self) -> Scope {
        P::SCOPE
    }
    fn surface(&self) -> Surface {
        if P::EXPOSED { Surface::Everywhere } else { Surface::Inside }
    }
    fn errors(&self) -> &'static [Code] {
        P::ERRORS
    }
    fn hints(&self) -> Option<&'static Hints> {
        P::HINTS
    }
    fn changes_rights(&self) -> bool {
        P::CHANGES_RIGHTS
    }
    fn across(&self) -> bool {
        P::ACROSS
    }
    fn example(&self) -> Value {
        serde_json::to_value(P::example()).unwrap_or_default()
    }
    fn input_schema(&self, generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<P::Input>()
    }
    fn output_schema(&self, generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<P::Output>()
    }
    fn round_trip(&self, value: Value) -> Result<Value> {
        Ok(serde_json::to_value(input::parse::<P::Input>(value)?)?)
    }
    fn reads(&self, outcome: Value) -> Result<()> {
        Ok(serde_json::from_value::<P::Output>(outcome).map(drop)?)
    }
    fn field(&self, registry: &mut Registry) -> MetaField {
        graphql_field::field::<P>(registry)
    }

    async fn call(&self, gateway: &Arc<Gateway>, caller: &Caller, mut body: Map<String, Value>) -> Result<Value> {
        match P::RUNS {
            Runs::Read => {
                let rows = P::ROWS + rows(&body);
                let input = input::parse::<P::Input>(Value::Object(body))?;
                Ok(serde_json::json!({ "result": read::<P>(gateway, caller, input, rows).await? }))
            }
            Runs::Mutation(_) => {
                let key = idempotency_key(body.remove("idempotencyKey"))?;
                let hints = match P::HINTS {
                    Some(hints) if warnings_wanted(&mut body)? => Some(hints),
                    _ => None,
                };
                let input = input::parse::<P::Input>(Value::Object(body))?;
                let given = if hints.is_some() { serde_json::to_value(&input)? } else { Value::Null };
                let answer = mutate(gateway, caller, Entry::of::<P>(), key, payload::<P>(&input)).await?;
                let Answer { result, operation, replayed } = answer;
                // The result as it was stored, and not as its type is today: an outcome outlives the type that wrote it.
                let mut said = serde_json::json!({ "result": result, "operation": operation, "replayed": replayed });
                if let (Some(hints), Some(result)) = (hints, &result) {
                    said["warnings"] = serde_json::to_value(hints.read(gateway, caller, &given, result).await)?;
                }
                Ok(said)
            }
        }
    }

    async fn resolve(&self, cx: &async_graphql::Context<'_>) -> ServerResult<Option<async_graphql::Value>> {
        graphql_field::resolve::<P>(cx).await
    }

    async fn perform(&self, cx: &Context, payload: Value, claim: &Claim) -> Result<Performed> {
        let input: P::Input = serde_json::from_value(payload)?;
        let subject = match P::subject(cx, &input).await {
            Ok(subject) => subject,
            Err(error) if error.retryable() || error.code() == Code::INTERNAL => return Err(error),
            Err(_) => return Ok(Performed::Moved),
        };
        let judged = subject.judged();
        if judged_hash(&judged) != claim.judged {
            return Ok(Performed::Moved);
        }
        match P::handle(cx, Allowed::new(subject, Conditions::new()), input).await {
            Ok(output) => Ok(Performed::Ended(Outcome::Result(serde_json::to_value(output)?))),
            Err(error) if error.retryable() => Err(error),
            Err(error) => {
                let code = error.code();
                let declared = [P::ERRORS, Code::COMMON, Code::MUTATION].iter().any(|codes| codes.contains(&code));
                debug_assert!(declared, "{} refuses with {code:?}, which it does not declare", P::NAME);
                error.trace();
                let error = if code == Code::VERSION_CONFLICT { changed_by(cx, &judged, error).await } else { error };
                Ok(Performed::Ended(Outcome::Refusal((&error).into())))
            }
        }
    }

    async fn judge(&self, gateway: &Arc<Gateway>, actor: Actor, payload: Value) -> Result<Claim> {
        let input: P::Input = serde_json::from_value(payload)?;
        let judging = Context::reading(gateway, actor.clone());
        let subject = P::subject(&judging, &input).await?;
        drop(judging);
        about(&subject.judged());
        Ok(authorize(gateway, &actor, Entry::of::<P>(), &subject).await?.0)
    }
}

/// Adds to a conflict who changed the thing last, by the log.
async fn changed_by(cx: &Context, judged: &Judged, error: Error) -> Error {
    let (Judged::One(resource), Ok(tx)) = (judged, cx.tx().await) else { return error };
    let sql = "SELECT actor FROM event WHERE resource_id = $1 AND organization_id = $2 ORDER BY seq DESC LIMIT 1";
    let values = [resource.id.into(), cx.owner().0.into()];
    let found = tx.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await;
    match (found, error.detail()) {
        (Ok(Some(row)), Some(details)) => {
            let mut details = details.clone();
            details["changedBy"] = row.try_get::<Uuid>("", "actor").map(|id| id.to_string()).ok().into();
            error.details(details)
        }
        _ => error,
    }
}

/// The idempotency key, parsed alike for both surfaces.
pub(crate) fn idempotency_key(value: Option<Value>) -> Result<Uuid> {
    let refuse = |code: Code, short: &str| Error::new(code).field("idempotencyKey", short, code.message());
    match value {
        None | Some(Value::Null) => Err(refuse(Code::IDEMPOTENCY_KEY_REQUIRED, "REQUIRED")),
        Some(Value::String(text)) => text.parse().map_err(|_| refuse(Code::IDEMPOTENCY_KEY_INVALID, "INVALID_UUID")),
        Some(_) => Err(refuse(Code::IDEMPOTENCY_KEY_INVALID, "INVALID_UUID")),
    }
}
