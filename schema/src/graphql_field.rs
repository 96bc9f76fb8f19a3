//! The mutation root over the table: the one place that uses async-graphql's undocumented interfaces. Its schema is the same as
//! derives would give.

use crate::{
    Answer, Caller, Error, Gateway, Hints, Name, Operation, Procedure, Reads, Result, UserError, Warning, entry::idempotency_key,
    input, run,
};
use async_graphql::{
    Context, ContextSelectionSet, InputType, InputValueResult, OutputType, Positioned, ServerError, ServerResult, Value,
    parser::types::Field,
    registry::{MetaField, MetaInputValue, MetaTypeId, ObjectBuilder, Registry},
    resolver_utils::{ContainerType, resolve_container},
};
use async_trait::async_trait;
use indexmap::IndexMap;
use std::{borrow::Cow, sync::Arc};
use uuid::Uuid;

/// `{ result, operation, replayed, errors, warnings }` of one procedure.
pub struct Payload<P: Procedure> {
    answer: Result<Answer<P::Output>, Vec<UserError>>,
    /// The input, for a procedure that may warn.
    given: serde_json::Value,
}

pub(crate) fn field<P: Procedure>(registry: &mut Registry) -> MetaField {
    let key = <Uuid as InputType>::create_type_info(registry);
    let input = P::Input::create_type_info(registry);
    let output = <Option<Payload<P>> as OutputType>::create_type_info(registry);
    let mut field = MetaField::new(const { Name::of(P::NAME) }.field(), output);
    field.description = Some(P::ABOUT.into());
    let mut argument = MetaInputValue::new("idempotencyKey", key);
    argument.description = Some("Names this mutation: sent again, it answers what it answered and does nothing twice.".into());
    field.args.insert("idempotencyKey".into(), argument);
    field.args.insert("input".into(), MetaInputValue::new("input", input));
    field
}

/// An argument as it was sent, so that both surfaces parse it by the same code.
pub(crate) struct Raw(pub(crate) Option<Value>);

impl InputType for Raw {
    type RawValueType = Self;
    fn type_name() -> Cow<'static, str> {
        "JSON".into()
    }
    fn create_type_info(_: &mut Registry) -> String {
        "JSON".into()
    }
    fn parse(value: Option<Value>) -> InputValueResult<Self> {
        Ok(Raw(value))
    }
    fn to_value(&self) -> Value {
        self.0.clone().unwrap_or_default()
    }
    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }
}

fn argument(cx: &Context<'_>, name: &str) -> ServerResult<Option<serde_json::Value>> {
    let (_, raw) = cx.param_value::<Raw>(name, None)?;
    match raw.0 {
        None => Ok(None),
        Some(value) => value.into_json().map(Some).map_err(|_| ServerError::new("not a JSON value", Some(cx.item.pos))),
    }
}

pub(crate) async fn resolve<P: Procedure>(cx: &Context<'_>) -> ServerResult<Option<Value>> {
    let key = argument(cx, "idempotencyKey")?;
    let body = argument(cx, "input")?.unwrap_or(serde_json::Value::Object(serde_json::Map::new()));
    let given = if P::HINTS.is_some() { body.clone() } else { serde_json::Value::Null };
    match answer::<P>(cx, key, body).await {
        Ok(answer) => {
            let payload = Payload::<P> { answer: Ok(answer), given };
            let resolved = payload.resolve(&cx.with_selection_set(&cx.item.node.selection_set), cx.item).await;
            if let Ok(reads) = cx.data::<Arc<Reads>>() {
                reads.close().await;
            }
            resolved.map(Some)
        }
        // Nullable on purpose: an `Err` here would also skip the mutations after it.
        Err(error) => {
            error.trace();
            let told = UserError::of(&error);
            let error = async_graphql::Error::from(error).into_server_error(cx.item.pos);
            cx.add_error(cx.set_error_path(error));
            if told.is_empty() {
                return Ok(Some(Value::Null));
            }
            let payload = Payload::<P> { answer: Err(told), given };
            payload.resolve(&cx.with_selection_set(&cx.item.node.selection_set), cx.item).await.map(Some)
        }
    }
}

async fn answer<P: Procedure>(
    cx: &Context<'_>,
    key: Option<serde_json::Value>,
    body: serde_json::Value,
) -> Result<Answer<P::Output>> {
    let key = idempotency_key(key)?;
    let input = input::parse::<P::Input>(body)?;
    let (gateway, caller) = (data::<Arc<Gateway>>(cx)?, data::<Caller>(cx)?);
    run::<P>(gateway, caller, key, input).await
}

fn data<'a, T: Send + Sync + 'static>(cx: &Context<'a>) -> Result<&'a T> {
    cx.data::<T>().map_err(|error| Error::internal(error.message))
}

/// The field of a mutation, looked up in the gateway's table.
pub async fn resolve_mutation(cx: &Context<'_>) -> ServerResult<Option<Value>> {
    let gateway = data::<Arc<Gateway>>(cx).map_err(|error| async_graphql::Error::from(error).into_server_error(cx.item.pos))?;
    match gateway.table.mutation(cx.item.node.name.node.as_str()) {
        Some(entry) => entry.resolve(cx).await,
        None => Ok(None),
    }
}

#[async_trait]
impl<P: Procedure> OutputType for Payload<P> {
    fn type_name() -> Cow<'static, str> {
        const { Name::of(P::NAME) }.payload().into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        registry.create_output_type::<Self, _>(MetaTypeId::Object, |registry| {
            let mut fields: IndexMap<String, MetaField> = IndexMap::new();
            let mut add = |name: &str, about: &str, ty: String| {
                let mut field = MetaField::new(name, ty);
                field.description = Some(about.into());
                fields.insert(name.to_owned(), field);
            };
            add(
                "result",
                "Null while the operation is still running, and where it was refused.",
                <Option<P::Output> as OutputType>::create_type_info(registry),
            );
            add(
                "operation",
                "What was recorded: ask for it again by its id. Null where it was refused.",
                <Option<Operation> as OutputType>::create_type_info(registry),
            );
            add("replayed", "True if an earlier request with this key did it.", <bool as OutputType>::create_type_info(registry));
            add(
                "errors",
                "The mistakes that a form can show, beside the error of the whole answer. Empty where all went well.",
                <Vec<UserError> as OutputType>::create_type_info(registry),
            );
            add(
                "warnings",
                "Hints about a change that was made, such as a second house with the same address.",
                <Vec<Warning> as OutputType>::create_type_info(registry),
            );
            ObjectBuilder::new(Self::type_name().into_owned(), fields).rust_typename(std::any::type_name::<Self>()).build()
        })
    }

    async fn resolve(&self, cx: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        resolve_container(cx, self).await
    }
}

#[async_trait]
impl<P: Procedure> ContainerType for Payload<P> {
    async fn resolve_field(&self, cx: &Context<'_>) -> ServerResult<Option<Value>> {
        let set = cx.with_selection_set(&cx.item.node.selection_set);
        match cx.item.node.name.node.as_str() {
            "result" => {
                let result = self.answer.as_ref().ok().and_then(|answer| answer.result.as_ref());
                OutputType::resolve(&result, &set, cx.item).await.map(Some)
            }
            "operation" => {
                let operation = self.answer.as_ref().ok().map(|answer| &answer.operation);
                OutputType::resolve(&operation, &set, cx.item).await.map(Some)
            }
            "replayed" => {
                let replayed = self.answer.as_ref().is_ok_and(|answer| answer.replayed);
                OutputType::resolve(&replayed, &set, cx.item).await.map(Some)
            }
            "errors" => {
                let errors = self.answer.as_ref().err().map_or(&[][..], Vec::as_slice);
                OutputType::resolve(&errors, &set, cx.item).await.map(Some)
            }
            "warnings" => {
                let result = self.answer.as_ref().ok().and_then(|answer| answer.result.as_ref());
                let warnings = match (P::HINTS, result) {
                    (Some(hints), Some(result)) => warnings(hints, cx, &self.given, result).await,
                    _ => Ok(Vec::new()),
                };
                let warnings = warnings.unwrap_or_else(|error| {
                    error.trace();
                    Vec::new()
                });
                OutputType::resolve(&warnings, &set, cx.item).await.map(Some)
            }
            _ => Ok(None),
        }
    }
}

async fn warnings(
    hints: &Hints,
    cx: &Context<'_>,
    given: &serde_json::Value,
    result: &impl serde::Serialize,
) -> Result<Vec<Warning>> {
    let (gateway, caller) = (data::<Arc<Gateway>>(cx)?, data::<Caller>(cx)?);
    Ok(hints.read(gateway, caller, given, &serde_json::to_value(result)?).await)
}

/// The envelope as GraphQL's extensions.
impl From<Error> for async_graphql::Error {
    fn from(error: Error) -> Self {
        let mut extensions = async_graphql::ErrorExtensionValues::default();
        extensions.set("code", error.code().as_str());
        extensions.set("type", error.code().error_type().as_str());
        extensions.set("retryable", error.retryable());
        let fields = async_graphql::to_value(error.field_errors()).unwrap_or_default();
        extensions.set("field_errors", fields);
        extensions.set("trace_id", crate::current_trace_id());
        if let Some(details) = error.detail() {
            extensions.set("details", Value::from_json(details.clone()).unwrap_or_default());
        }
        if let Some(wait) = error.wait() {
            extensions.set("retry_after", wait.as_secs());
        }
        let mut said = async_graphql::Error::new(error.text());
        said.extensions = Some(extensions);
        said
    }
}
